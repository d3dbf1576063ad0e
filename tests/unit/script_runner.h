// Runs conversations written as text: a block is commands, a line "----", and what is expected to happen up to an empty
// line; lines that begin with # are remarks. With --rewrite the program writes what did happen into the file.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace harrow::test {

inline bool rewriting() {
  const std::vector<std::string> args = testing::internal::GetArgvs();
  return std::find(args.begin(), args.end(), "--rewrite") != args.end();
}

/// `Script` has `std::string run(const std::vector<std::string>& commands)` and lives as long as its file.
template <class Script>
void run_script(const std::string& path) {
  std::ifstream in(path);
  std::string line, rewritten, expected;
  std::vector<std::string> commands;
  Script script;
  bool expecting = false;
  int number = 0, block = 0;
  const auto finish = [&] {
    if (!expecting) return;
    const std::string got = script.run(commands);
    EXPECT_EQ(got, expected) << path << ":" << block;
    rewritten += got + "\n";
    commands.clear();
    expected.clear();
    expecting = false;
  };
  while (std::getline(in, line)) {
    ++number;
    if (expecting && line.empty()) {
      finish();
    } else if (expecting) {
      expected += line + "\n";
    } else {
      rewritten += line + "\n";
      if (line == "----") {
        expecting = true;
        block = number;
      } else if (!line.empty() && line[0] != '#') {
        commands.push_back(line);
      }
    }
  }
  finish();
  if (rewriting()) std::ofstream(path) << rewritten;
}

/// The scripts of tests/data/<room>.
inline std::vector<std::string> scripts_of(const std::string& room) {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(std::string(HARROW_SOURCE_DIR) + "/tests/data/" + room))
    if (entry.path().extension() == ".txt") paths.push_back(entry.path().string());
  std::sort(paths.begin(), paths.end());
  return paths;
}

inline std::string name_of_script(const testing::TestParamInfo<std::string>& info) {
  std::string name = std::filesystem::path(info.param).stem().string();
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

}  // namespace harrow::test
