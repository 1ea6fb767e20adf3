// The codec beside the language model: the same samples, its errors, the end of an item while it works; and
// the pool that carries both.
#include "catch.h"
#include "engine/session.h"
#include "kernels/cpu/pool.h"
#include "speech.h"

#include <atomic>
#include <chrono>
#include <cmath>
#include <ctime>
#include <stdexcept>
#include <thread>

using namespace tts;
using namespace tts::test;

namespace {

Engine open(std::shared_ptr<const Model> model, int threads, const char* ablate = "") {
  DeviceChoice choice;
  choice.kind = "cpu";
  choice.options.threads = threads;
  if (*ablate) choice.options.switches = parse_ablations(ablate);
  return Engine(std::move(model), choice);
}


}  // namespace

TEST_CASE("with the codec beside the language model the samples are the same, for every chunking") {
  for (const char* name : {"tiny-custom-voice", "tiny-voice-design"}) {
    const std::shared_ptr<const Model> model = load_model(golden_model(name));
    Engine alone = open(model, 1), without = open(model, 2, "codec_overlap");
    SpeakRequest request = request_for(*model, "Hello there, world.");
    const Heard expected = hear(alone, request);
    REQUIRE(expected.spoken.frames > 2);
    CHECK(alone.decode(expected.spoken.codes) == expected.samples);
    for (const int threads : {2, 3, 5}) {
      Engine beside = open(model, threads);
      for (const int chunk : {1, 2, 4, 7, 1000}) {
        request.chunk_frames = chunk;
        INFO(name << ", " << threads << " threads, chunks of " << chunk);
        const Heard heard = hear(beside, request);
        CHECK(heard.spoken.codes == expected.spoken.codes);
        CHECK(heard.samples == expected.samples);
        CHECK(heard.spoken.finish == expected.spoken.finish);
        CHECK(hear(without, request).samples == expected.samples);
      }
      CHECK(beside.decode(expected.spoken.codes) == expected.samples);
    }
  }
}

TEST_CASE("an error of the codec's thread is the error of the item, and the engine goes on") {
  const auto model = load_changed("tiny-custom-voice-1b7",
                                  [](Model& m) { own_copy(m, m.decoder.pre_conv.weight)[0] = NAN; });
  Engine engine = open(model, 2);
  for (int i = 0; i < 2; ++i) {
    try {
      hear(engine, greedy_request_for(*model, "Hello."));
      FAIL("spoke with a poisoned weight");
    } catch (const Error& error) {
      CHECK(error.exit == Exit::internal);
      CHECK_THAT(error.what(), Catch::Matchers::StartsWith("codec: samples of frame 0 are not finite"));
    }
  }
}

TEST_CASE("a listener that throws while the codec works ends the item, and the next one is whole") {
  const std::shared_ptr<const Model> model = load_model(golden_model("tiny-custom-voice"));
  Engine engine = open(model, 2), alone = open(model, 1);
  SpeakRequest request = request_for(*model, "Hello there, world.");
  request.chunk_frames = 1;
  const Heard expected = hear(alone, request);
  for (const int allowed : {0, 1, 3}) {
    int calls = 0;
    const auto listen = [&](std::span<const float>) {
      if (calls++ == allowed) throw std::runtime_error("the reader went away");
    };
    CHECK_THROWS_WITH(engine.speak(request, {.samples = listen, .progress = {}, .stop = {}}),
                      "the reader went away");
    CHECK(hear(engine, request).samples == expected.samples);
  }
}

TEST_CASE("cancelling ends the item within one frame while the codec works") {
  const std::shared_ptr<const Model> model = load_model(golden_model("tiny-voice-design"));
  Engine engine = open(model, 2);
  SpeakRequest request = request_for(*model, "Hello there, world.");
  request.sampling.max_new_tokens = 1000;
  request.guard = false;
  request.chunk_frames = 1;
  int asked = 0;
  const auto stop = [&]() -> std::optional<FinishReason> {
    return ++asked > 3 ? std::optional(FinishReason::cancelled) : std::nullopt;
  };
  size_t samples = 0;
  const auto count = [&](std::span<const float> pcm) { samples += pcm.size(); };
  const Spoken spoken = engine.speak(request, {.samples = count, .progress = {}, .stop = stop});
  CHECK(spoken.finish == FinishReason::cancelled);
  CHECK(spoken.frames <= 4);
  CHECK(samples == static_cast<size_t>(spoken.frames * model->config.codec.samples_per_frame));
}

// ---- the pool ---------------------------------------------------------------------------------------------

TEST_CASE("loops of both lanes run every chunk once, with and without a job") {
  for (const int threads : {2, 3, 4}) {
    Pool pool(threads);
    struct Work {
      Pool& pool;
      std::vector<std::atomic<int>> counts = std::vector<std::atomic<int>>(64);
    } work{pool};
    const auto job = [](void* argument) {
      auto& self = *static_cast<Work*>(argument);
      for (int loop = 0; loop < 300; ++loop)
        self.pool.run(1, 64, [&](int chunk, int) { ++self.counts[static_cast<size_t>(chunk)]; });
    };
    std::vector<std::atomic<int>> counts(64);
    for (int round = 0; round < 10; ++round) {
      pool.start(job, &work);
      for (int loop = 0; loop < 300; ++loop) {
        pool.run(0, 64, [&](int chunk, int thread) {
          counts[static_cast<size_t>(chunk)] += thread < threads ? 1 : 1000;
        });
      }
      pool.finish();
      pool.run(1, 64, [&](int chunk, int) { ++counts[static_cast<size_t>(chunk)]; });
    }
    for (size_t chunk = 0; chunk < 64; ++chunk) {
      CHECK(work.counts[chunk] == 3000);
      CHECK(counts[chunk] == 3010);
    }
  }
}

TEST_CASE("what a job throws is thrown where it is awaited, once") {
  Pool pool(2);
  pool.start([](void*) { throw std::runtime_error("from the job"); }, nullptr);
  CHECK_THROWS_WITH(pool.finish(), "from the job");
  pool.finish();
  CHECK(!pool.job_runs());
}

TEST_CASE("threads that have nothing to do sleep") {
  Pool pool(2);
  pool.run(0, 2, [](int, int) {});
  const std::clock_t before = std::clock();
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  const double busy_ms = 1000.0 * static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC;
  CHECK(busy_ms < 100);  // a thread that only spins would take 300
}
