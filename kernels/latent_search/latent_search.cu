#include "kernels/device/entries.hpp"
#include "kernels/latent_search/resident_search.hpp"
#include "kernels/latent_search/search_general.hpp"
#include "kernels/latent_search/search_layers.hpp"
#include "kernels/latent_search/search_path.hpp"

/// The op: chooses one of the three ways and nothing else.
namespace cugad::cuda {
namespace {

std::size_t workspace_bytes(const Context& context, const LatentSearch& args) {
  if (args.z.models == 0 || args.z.rows == 0) return 0;
  switch (choose_search_path(context, args)) {
    case SearchPath::resident:
      return resident_search_workspace(context, args);
    case SearchPath::general:
      return search_general_workspace(context, args);
    case SearchPath::layers:
      break;
  }
  return search_layers_workspace(context, args);
}

void latent_search(Context& context, const LatentSearch& args) {
  if (args.z.models == 0 || args.z.rows == 0) return;
  switch (choose_search_path(context, args)) {
    case SearchPath::resident:
      return resident_search(context, args);
    case SearchPath::general:
      return search_general(context, args);
    case SearchPath::layers:
      return search_layers(context, args);
  }
}

}  // namespace

SearchPath choose_search_path(const Context& context, const LatentSearch& args) {
  if (resident_search_fits(context, args)) return SearchPath::resident;
  return search_general_fits(context, args) ? SearchPath::general : SearchPath::layers;
}

const char* name_of(SearchPath path) {
  return path == SearchPath::resident ? "resident" : path == SearchPath::general ? "general" : "layers";
}

OpEntry<LatentSearch> latent_search_entry() {
  return {latent_search, workspace_bytes, [](const Context& context, const LatentSearch& args) -> std::string {
            return name_of(choose_search_path(context, args));
          }};
}

}  // namespace cugad::cuda
