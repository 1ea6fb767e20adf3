#include "perf_journal/plot.h"

#include <algorithm>
#include <map>

namespace tts {

namespace {

constexpr int kWidth{760}, kLeft{250}, kRow{22}, kRight{70};
constexpr const char* kColours[] = {"#4477aa", "#ee6677", "#228833", "#aa3377", "#66ccee", "#bbbbbb"};

std::string text_at(double x, double y, const std::string& anchor, const std::string& text) {
  std::string safe;
  for (const char c : text) safe += c == '<' ? "&lt;" : c == '&' ? "&amp;" : std::string(1, c);
  return format("<text x=\"{}\" y=\"{}\" text-anchor=\"{}\">{}</text>\n", fixed(x, 1), fixed(y, 1), anchor,
                safe);
}

std::string drawing(int height, const std::string& body) {
  return format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" viewBox=\"0 0 {} {}\" "
      "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" "
      "fill=\"white\"/>\n{}</svg>\n",
      kWidth, height, kWidth, height, body);
}

struct Line {
  std::string name;
  std::map<double, double> points;  // position -> milliseconds
};

std::vector<Line> lines_of(const std::vector<Entry>& entries) {
  std::vector<Line> lines;
  for (const Entry& entry : entries) {
    for (const Record& record : entry.records) {
      if (!record.json.has("position")) continue;
      std::string name = record.row.substr(0, record.row.rfind(", "));
      name = name.substr(0, name.find(" --from "));
      auto line = std::find_if(lines.begin(), lines.end(), [&](const Line& l) { return l.name == name; });
      if (line == lines.end()) line = lines.insert(lines.end(), Line{name, {}});
      line->points[record.json.at("position").number()] = median_of(entry, record.row, "cpu_frame_ms");
    }
  }
  return lines;
}

}  // namespace

std::string plot_steps(const std::vector<Entry>& entries) {
  const std::vector<std::string> names = ablations_in_order(entries);
  std::string body;
  int y = kRow;
  for (const Entry& entry : entries) {
    for (size_t run = 0; run < entry.steps.size(); ++run) {
      Entry one;
      one.steps = {entry.steps[run]};
      const std::vector<std::string> commands = commands_of(one, names);
      double most = 0;
      for (const std::string& command : commands) most = std::max(most, median_of(entry, command, "rtf"));
      if (most == 0) continue;
      body += text_at(8, y, "start", "RTF of " + entry.steps[run]);
      for (size_t i = 0; i < commands.size(); ++i, y += kRow) {
        const double rtf = median_of(entry, commands[i], "rtf"),
                     width = rtf / most * (kWidth - kLeft - kRight);
        body += text_at(kLeft - 8, y + kRow, "end", i == 0 ? "everything off" : "+ " + names[i - 1]);
        body += format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\"/>\n", kLeft,
                       y + kRow - 13, fixed(width, 1), 16, kColours[0]);
        body += text_at(kLeft + width + 6, y + kRow, "start", fixed(rtf, 3));
      }
      y += 2 * kRow;
    }
  }
  return drawing(y, body);
}

std::string plot_positions(const std::vector<Entry>& entries) {
  const std::vector<Line> lines = lines_of(entries);
  constexpr double kTop{30}, kHeight{300}, kX{60}, kPlotWidth{660};
  double last = 1, most = 1;
  for (const Line& line : lines) {
    for (const auto& [position, ms] : line.points) last = std::max(last, position), most = std::max(most, ms);
  }
  std::string body =
      text_at(kX, 18, "start", "ms of processor time per frame, one thread, over the position");
  for (int i = 0; i <= 4; ++i) {
    const double y = kTop + kHeight * (4 - i) / 4, x = kX + kPlotWidth * i / 4;
    body += format("<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\" stroke=\"#dddddd\"/>\n", kX, fixed(y, 1),
                   kX + kPlotWidth, fixed(y, 1));
    body += text_at(kX - 6, y + 4, "end", fixed(most * i / 4, 1)) +
            text_at(x, kTop + kHeight + 18, "middle", fixed(last * i / 4, 0));
  }
  for (size_t i = 0; i < lines.size(); ++i) {
    const char* colour = kColours[i % std::size(kColours)];
    std::string points;
    for (const auto& [position, ms] : lines[i].points) {
      points += fixed(kX + kPlotWidth * position / last, 1) + "," +
                fixed(kTop + kHeight * (1 - ms / most), 1) + " ";
    }
    body +=
        format("<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>\n", points, colour);
    const double y = kTop + kHeight + 40 + 18 * static_cast<double>(i);
    body += format("<rect x=\"{}\" y=\"{}\" width=\"12\" height=\"12\" fill=\"{}\"/>\n", kX, fixed(y - 11, 1),
                   colour);
    body += text_at(kX + 18, y, "start", lines[i].name);
  }
  return drawing(static_cast<int>(kTop + kHeight) + 50 + 18 * static_cast<int>(lines.size()), body);
}

}  // namespace tts
