#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "host/network/network.hpp"

namespace cugad {

/// What a network does in its method. A method has some of them.
enum class Role : int {
  generator,             ///< G: latent (and condition) to data; GANomaly's decoder
  discriminator,         ///< D(x), or D(x, z) of a bidirectional method
  encoder,               ///< E: data to latent; GANomaly's first encoder
  second_encoder,        ///< GANomaly's encoder of the reconstruction
  cycle_discriminator,   ///< ALAD's D(x, x')
  latent_discriminator,  ///< ALAD's D(z, z')
};
constexpr int role_count = 6;
constexpr std::array<Role, role_count> all_roles = {
    Role::generator,      Role::discriminator,       Role::encoder,
    Role::second_encoder, Role::cycle_discriminator, Role::latent_discriminator};
/// "generator" and so on: the names of tensors in files.
const char* name_of(Role role);

/// The networks of a method on rows of `columns` data columns followed by `condition` condition columns. G takes
/// [latent | condition] and gives the data columns; D and E take whole rows.
struct MethodNetworks {
  int columns = 0, condition = 0, latent = 0;
  /// Of each data column the first of its category's columns, itself for a column alone; for methods that judge cells.
  /// Empty: every column is a cell of its own.
  std::vector<std::int32_t> group = {};
  std::array<Network, role_count> networks;

  Network& operator[](Role role) { return networks[static_cast<std::size_t>(role)]; }
  const Network& operator[](Role role) const { return networks[static_cast<std::size_t>(role)]; }
  bool has(Role role) const { return static_cast<bool>((*this)[role]); }
  const Network& generator() const { return (*this)[Role::generator]; }
  const Network& discriminator() const { return (*this)[Role::discriminator]; }
  const Network& encoder() const { return (*this)[Role::encoder]; }
  int row_columns() const { return columns + condition; }
};

/// Parameters of one network and all that its optimiser keeps, flat, for some models.
struct NetworkState {
  StackView<float> parameter, first_moment, second_moment, average;
  StackView<float> history = {};  ///< the mean of the parameters so far, for historical averaging
  NetworkState slice(std::int64_t first, std::int64_t count) const {
    return {parameter.slice_models(first, count), first_moment.slice_models(first, count),
            second_moment.slice_models(first, count), average.slice_models(first, count),
            history.slice_models(first, count)};
  }
  /// The weights that score: the moving average if there is one.
  StackView<const float> scoring() const { return average ? average : parameter; }
  std::array<StackView<float>, 5> views() const { return {parameter, first_moment, second_moment, average, history}; }
};

/// One state per role; those of networks that the method does not have are null.
struct NetworkStates {
  std::array<NetworkState, role_count> states;
  NetworkState& operator[](Role role) { return states[static_cast<std::size_t>(role)]; }
  const NetworkState& operator[](Role role) const { return states[static_cast<std::size_t>(role)]; }
  NetworkStates slice(std::int64_t first, std::int64_t count) const {
    NetworkStates some;
    for (std::size_t i = 0; i < states.size(); ++i) some.states[i] = states[i].slice(first, count);
    return some;
  }
};

}  // namespace cugad
