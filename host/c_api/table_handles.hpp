#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cugad/cugad_table.h"
#include "cugad/table.hpp"

/// The objects of the handles of tables.

struct cugad_reader {
  std::unique_ptr<cugad::TableReader> reader;
  std::string format, notes;
};

struct cugad_table {
  /// The cells of a column as a C program takes them.
  struct Texts {
    std::vector<std::string> written;  ///< of a column of numbers
    std::vector<const char*> pointers;
  };

  cugad::Table table;
  std::map<std::size_t, Texts> texts;  ///< of the requested columns
  std::string findings;
};

struct cugad_encoder {
  cugad::TableEncoder encoder;
  std::vector<const char*> names = {};  ///< of the features, after the first request
  std::string json = {}, read_options = {}, unseen = {};
};
