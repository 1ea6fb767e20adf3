// The voice directory as read-only bytes of the program. The assembler reads the files (.incbin): no source
// array, and the pages are mapped from the program file and shared by all processes that run it. This is the
// only list of the files.
//
//   tts_embedded_voice:  { to name, name bytes, to content, content bytes } ... 0     64-bit words
//
// "to" is the distance from the word itself, which the linker knows, so that nothing is relocated when the
// program starts. GNU as and clang; x86-64 and AArch64.

        .section .rodata.tts_embedded_voice, "a", %progbits
        .balign 64
        .globl  tts_embedded_voice
        .hidden tts_embedded_voice
tts_embedded_voice:
#ifdef TTS_EMBED_VOICE
        .macro  file name
        .pushsection .rodata.tts_embedded_voice_files, "a", %progbits
        .balign 64
1:      .incbin "tools/voice/flite-en/\name"
2:      .ascii  "\name"
3:
        .popsection
        .quad   2b - .
        .quad   3b - 2b
        .quad   1b - .
        .quad   2b - 1b
        .endm

        file    "config.json"
        file    "generation_config.json"
        file    "voice.json"
        file    "model.safetensors"
        file    "vocab.json"
        file    "merges.txt"
        file    "tokenizer_config.json"
        file    "preprocessor_config.json"
        file    "speech_tokenizer/config.json"
        file    "speech_tokenizer/model.safetensors"
        file    "speech_tokenizer/preprocessor_config.json"
        file    "NOTICE"
#endif
        .quad   0

        .section .note.GNU-stack, "", %progbits
