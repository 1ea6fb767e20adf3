// The trace file: what was open while it was open, of all threads, as trace-event JSON.
#include "catch.h"
#include "refusal.h"
#include "speech.h"
#include "temp_directory.h"

#include "base/file.h"
#include "base/json.h"
#include "base/trace.h"

#include <map>
#include <set>
#include <thread>

using namespace tts;
using namespace tts::test;

TEST_CASE("ranges of all threads between open and close are in the file, nested as they were") {
  const TempDirectory dir;
  { const Trace before("before"); }
  open_trace(dir.file("trace.json"));
  CHECK(refusal_of([&] { open_trace(dir.file("second.json")); }).exit == Exit::usage);
  {
    const Trace outer("outer");
    const Trace inner("inner");
    std::thread([] { const Trace other("other thread"); }).join();
  }
  close_trace();
  { const Trace after("after"); }
  close_trace();  // nothing is open: nothing to do
  const Json file = Json::load(dir.file("trace.json"));
  std::set<std::string> names;
  std::set<int64_t> threads;
  double begin[2] = {}, end[2] = {};
  for (const Json& event : file.at("traceEvents").items()) {
    const std::string& name = event.at("name").text();
    names.insert(name);
    threads.insert(event.at("tid").integer(0, 1000));
    CHECK(event.at("ph").text() == "X");
    const int which = name == "inner";
    if (name == "other thread") continue;
    begin[which] = event.at("ts").number();
    end[which] = begin[which] + event.at("dur").number();
  }
  CHECK(names == std::set<std::string>{"outer", "inner", "other thread"});
  CHECK(threads.size() == 2);
  CHECK(begin[0] <= begin[1]);
  CHECK(end[1] <= end[0] + 0.001);  // both were rounded to a double of microseconds
}

TEST_CASE("a run has a range for every stage and every frame") {
  const TempDirectory dir;
  open_trace(dir.file("trace.json"));
  int frames = 0;
  {
    const std::shared_ptr<const Model> model = load_model(golden_model("tiny-custom-voice"));
    Engine engine(model, {.kind = "reference", .options = {}});
    SpeakRequest request = request_for(*model, "Hi.");
    request.fixed_frames = 3;
    request.guard = false;
    frames = hear(engine, request).spoken.frames;
  }
  close_trace();
  std::map<std::string, int> count;
  const Json file = Json::load(dir.file("trace.json"));
  for (const Json& event : file.at("traceEvents").items()) ++count[event.at("name").text()];
  for (const char* stage :
       {"load", "tokenize", "prefill", "frame", "talker", "predictor", "sample", "codec", "write"}) {
    INFO(stage);
    CHECK(count[stage] >= 1);
  }
  CHECK(frames == 3);
  CHECK(count["frame"] >= frames);
  CHECK(count["talker"] == count["frame"]);
  CHECK(count["predictor"] == count["frame"]);
}

TEST_CASE("a trace that cannot be written is refused when it is opened") {
  const Refusal refusal = refusal_of([] { open_trace("/nonexistent/trace.json"); });
  CHECK(refusal.exit == Exit::output);
  CHECK(refusal.message == "/nonexistent/trace.json: cannot be written: No such file or directory");
}

TEST_CASE("a disk that fills up is reported when the trace is written") {
  open_trace("/dev/full");
  { const Trace range("range"); }
  CHECK(refusal_of([] { close_trace(); }).message == "/dev/full: cannot be written: No space left on device");
  close_trace();
}
