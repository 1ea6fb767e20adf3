// Audio files in and out: what the tools include.
#pragma once

#include "codec/audio_reader.h"
#include "codec/audio_writer.h"
#include "codec/resample.h"
