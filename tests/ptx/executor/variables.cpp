#include "tests/ptx/executor/variables.hpp"

#include <cstring>

namespace ptx {

void Variables::parse(Symbols& symbols, bool external, Function* function) {
  const std::string_view space = reader_.peek().text;
  const Declaration d = reader_.declaration();
  using Where = Symbol::Where;
  if (space == ".shared" && (d.unsized || external)) {
    symbols[d.name] = {Where::dynamic_shared, 0};
  } else if (space == ".shared") {
    shared_bytes_ = align(shared_bytes_, d.alignment);
    symbols[d.name] = {Where::shared, shared_bytes_};
    shared_bytes_ += d.bytes();
  } else if (space == ".local" || space == ".param") {
    std::size_t& used = function->local_bytes;
    used = align(used, std::max<std::size_t>(d.alignment, 16));
    symbols[d.name] = {Where::local, used};
    used += d.bytes();
  } else {
    module_.globals.push_back(std::make_unique<unsigned char[]>(d.bytes() + d.alignment + 16));
    const std::size_t address =
        align(reinterpret_cast<std::size_t>(module_.globals.back().get()), std::max<std::size_t>(d.alignment, 16));
    module_.global_regions.push_back({address, address + d.bytes()});
    symbols[d.name] = {Where::global, address};
    if (reader_.accept("=")) initialise(reinterpret_cast<unsigned char*>(address), d.size());
  }
  reader_.expect(";");
}

void Variables::initialise(unsigned char* to, std::size_t size) {
  int depth = 0;
  do {
    if (reader_.accept("{"))
      ++depth;
    else if (reader_.accept("}"))
      --depth;
    else if (!reader_.accept(",")) {
      const std::uint64_t value = reader_.number();
      std::memcpy(to, &value, size);
      to += size;
    }
  } while (depth > 0);
}

}  // namespace ptx
