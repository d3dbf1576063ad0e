// report.html: one file that needs no network. Verdict, a timeline of leaders, in-sync sets and faults, curves of
// latency and lag, and the way of one record. Drawn from plain data, as inline SVG.
#pragma once

#include <string>

#include "sim/trace/report_data.h"

namespace harrow::sim {

struct ReportHead {
  std::string verdict;   // "pass", "fail", "undecided"
  std::string text;      // the lines that the run ended with
  std::string headline;  // one sentence
};
std::string report_html(const ReportData& data, const ReportHead& head);

}  // namespace harrow::sim
