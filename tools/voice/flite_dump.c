/* flite_dump VOICE TEXT OUT [WAVES]: run CMU Flite on one sentence per line, write what its vocoder gets.
 *
 *   gcc -D_GNU_SOURCE -O2 -o flite_dump flite_dump.c -lflite_cmu_us_slt -lflite_cmu_us_rms \
 *       -lflite_usenglish -lflite_cmulex -lflite -lm
 *
 * The library calls mlsa_resynthesis(); this program defines that symbol and so receives the smoothed tracks.
 * With a directory WAVES the real function runs as well and Flite's own audio is written there (NNN.wav).
 * With FLITE_DUMP_BANDS=FILE the five mixed-excitation filters of the voice go to FILE as text.
 * Record of OUT, little endian (speech.py reads it):
 *   int32 magic 0x464c4954, line, n_frames, n_channels, n_strengths, n_segments, n_tokens
 *   float32 tracks[n_frames][n_channels], strengths[n_frames][n_strengths]
 *   per segment: char[8] phone, float32 end in seconds, int32 token (-1: pause)
 *   per token: int32 length, bytes                                                                       */
#include <flite/cst_cg.h>
#include <flite/flite.h>

#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

cst_voice *register_cmu_us_slt(const char *);
cst_voice *register_cmu_us_rms(const char *);

typedef cst_wave *Vocoder(const cst_track *, const cst_track *, cst_cg_db *, cst_audio_streaming_info *, int);

static struct {
    float *tracks, *strengths;
    int frames, channels, n_strengths;
    Vocoder *real; /* NULL: no audio wanted */
} seen;

static void dump_bands(const cst_cg_db *db)
{
    static int done;
    const char *path = getenv("FLITE_DUMP_BANDS");
    if (done || !path || !*path) return;
    done = 1;
    FILE *f = fopen(path, "w");
    if (!f) {
        fprintf(stderr, "FLITE_DUMP_BANDS: %s: %s\n", path, strerror(errno));
        exit(1);
    }
    for (int i = 0; i < db->ME_num; i++) {
        for (int k = 0; k < db->ME_order; k++) fprintf(f, "%.9g ", db->me_h[i][k]);
        fprintf(f, "\n");
    }
    fclose(f);
}

static void keep(float **to, const cst_track *track, int frames, int channels)
{
    *to = realloc(*to, sizeof(float) * frames * (channels + 1));
    for (int i = 0; track && i < frames; i++)
        memcpy(*to + i * channels, track->frames[i], sizeof(float) * channels);
}

cst_wave *mlsa_resynthesis(const cst_track *track, const cst_track *strength, cst_cg_db *db,
                           cst_audio_streaming_info *streaming, int speed)
{
    dump_bands(db);
    seen.frames = track->num_frames;
    seen.channels = track->num_channels;
    seen.n_strengths = strength ? strength->num_channels : 0;
    keep(&seen.tracks, track, seen.frames, seen.channels);
    keep(&seen.strengths, strength, seen.frames, seen.n_strengths);
    if (seen.real) return seen.real(track, strength, db, streaming, speed);
    cst_wave *wave = new_wave();
    cst_wave_resize(wave, 80, 1);
    wave->sample_rate = db->sample_rate;
    return wave;
}

static void write_segment(FILE *out, const cst_item *segment)
{
    char name[8] = {0};
    strncpy(name, item_feat_string(segment, "name"), 7);
    float end = item_feat_float(segment, "end");
    int32_t token = -1;
    const cst_item *word = path_to_item(segment, "R:SylStructure.parent.parent.R:Token.parent");
    if (word && item_feat_present(word, "tok_index")) token = item_feat_int(word, "tok_index");
    fwrite(name, 1, 8, out);
    fwrite(&end, 4, 1, out);
    fwrite(&token, 4, 1, out);
}

static void write_record(FILE *out, cst_utterance *u, int line)
{
    int segments = 0, tokens = 0;
    cst_item *s, *t;
    for (t = utt_rel_head(u, "Token"); t; t = item_next(t)) item_set_int(t, "tok_index", tokens++);
    for (s = utt_rel_head(u, "Segment"); s; s = item_next(s)) segments++;
    int32_t head[7] = {0x464c4954, line, seen.frames, seen.channels, seen.n_strengths, segments, tokens};
    fwrite(head, 4, 7, out);
    fwrite(seen.tracks, 4, (size_t)seen.frames * seen.channels, out);
    fwrite(seen.strengths, 4, (size_t)seen.frames * seen.n_strengths, out);
    for (s = utt_rel_head(u, "Segment"); s; s = item_next(s)) write_segment(out, s);
    for (t = utt_rel_head(u, "Token"); t; t = item_next(t)) {
        const char *name = item_feat_string(t, "name");
        int32_t length = strlen(name);
        fwrite(&length, 4, 1, out);
        fwrite(name, 1, length, out);
    }
}

int main(int argc, char **argv)
{
    if (argc < 4) return fprintf(stderr, "usage: flite_dump slt|rms TEXT OUT [WAVES]\n"), 2;
    flite_init();
    if (argc > 4) seen.real = (Vocoder *)dlsym(RTLD_NEXT, "mlsa_resynthesis");
    cst_voice *voice = !strcmp(argv[1], "rms") ? register_cmu_us_rms(NULL) : register_cmu_us_slt(NULL);
    FILE *in = fopen(argv[2], "r"), *out = fopen(argv[3], "wb");
    if (!in || !out) return fprintf(stderr, "flite_dump: cannot open %s or %s\n", argv[2], argv[3]), 3;
    char line[4096];
    for (int n = 0; fgets(line, sizeof line, in); n++) {
        line[strcspn(line, "\n")] = 0;
        seen.frames = 0;
        cst_utterance *u = flite_synth_text(line, voice);
        if (u && seen.frames) write_record(out, u, n);
        if (u && seen.frames && argc > 4) {
            char path[512];
            snprintf(path, sizeof path, "%s/%03d.wav", argv[4], n);
            cst_wave_save(utt_wave(u), path, "riff");
        }
        if (u) delete_utterance(u);
    }
    fclose(in);
    return fclose(out) ? 5 : 0;
}
