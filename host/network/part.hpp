#pragma once

#include <string>
#include <vector>

#include "cugad/network.hpp"
#include "host/network/part_memory.hpp"

namespace cugad {

/// How a network is trained beyond its layers. Scoring does not need it: see Network::plain.
struct Techniques {
  bool spectral_norm = false;    ///< of all layers but the network's last (Miyato 2018)
  bool batch_norm = false;       ///< of the data branch's layers, before their activations (Ioffe 2015); other layers
                                 ///< have it by LayerSpec::batch_norm
  int virtual_batch = 0;         ///< virtual batch normalisation of hidden layers: reference rows (Salimans 2016, 3.4)
  int minibatch_kernels = 0;     ///< minibatch discrimination beside the last layer (ibid., 3.2): kernels
  int minibatch_dimensions = 1;  ///< and their dimensions
  std::int64_t part_rows = 0;  ///< a stacked batch has parts of so many rows (real, generated, ...), each with its own
                               ///< statistics; 0: one part
  float epsilon = 1e-3f, momentum = 0.99f;  ///< of normalisations, as in BatchNorm
};

/// The techniques of one layer, and the places of their parameters in the network's flat buffer.
struct LayerTechniques {
  enum class Rows { none, batch, reference };
  bool spectral = false;    ///< divides the weights by their largest singular value
  Rows rows = Rows::none;   ///< normalises over the rows of a batch, or by reference rows, before the activation
  std::int64_t pixels = 1;  ///< of the images whose channels are normalised over rows and pixels
  bool has_bias = true;     ///< false: the normalisation's shift is the bias, and the layer's own stays 0
  std::int32_t kernels = 0, dimensions = 0;  ///< minibatch discrimination, whose share is added to the layer's sums
  std::int64_t scale = 0, shift = 0, projection = 0, share = 0;                   ///< trained by an optimiser
  std::int64_t u = 0, moving_mean = 0, moving_variance = 0, moving_nearness = 0;  ///< kept by passes
  bool is_active() const { return spectral || rows != Rows::none || kernels > 0; }
};

/// The techniques of layers in a row.
struct PartTechniques {
  std::vector<LayerTechniques> layer;  ///< as the layers, or empty: none
  bool spectral = false;               ///< some layer has spectral normalisation
  std::int64_t part_rows = 0;          ///< as Techniques
  float epsilon = Techniques{}.epsilon, momentum = Techniques{}.momentum;
  std::int64_t reference_rows = 0, reference = 0;  ///< reference latents: their number and their place
  int reference_layers = 0;                        ///< so many first layers see the reference rows
  int layers() const { return static_cast<int>(layer.size()); }
};

/// Layers in a row: a network without branches, a branch, or the trunk behind the branches.
struct Part {
  std::string name;  ///< "x" and "z" for branches, empty for the trunk
  Mlp mlp;
  std::int64_t offset = 0;  ///< of the layers' parameters in the network's flat buffer
  PartTechniques techniques = {};

  /// `is_last`: the part ends in the network's last layer, which is not normalised.
  void add(const Techniques& network, LayerTechniques::Rows rows, bool is_last);
  /// Assigns places to parameters: those that an optimiser trains, constants, and those that passes keep.
  void place_trained(std::int64_t& at);
  void place_constants(std::int64_t& at);
  void place_kept(std::int64_t& at);

  bool is_branch() const { return !name.empty(); }
  PartMemory carve(Carver& carver, std::int64_t rows) const;
  /// Layers as Mlp::initialise; ones for scales, zeros for shifts. Power iterations begin at lane key.lane + 8 + layer,
  /// reference latents are drawn from lane key.lane + 15, minibatch discrimination from + 48 on.
  void initialise(Context& context, StackView<float> flat, RandomKey key) const;
  /// Writes the next values of the kept parameters, as of the last forward pass, into their places in the gradient.
  void write_kept(Context& context, const PartMemory& memory, StackView<float> flat_gradient) const;
  /// Writes the parameters of plain layers that score the same as the trained ones; of one model, on the host.
  void fold(const float* trained, float* plain) const;
};

}  // namespace cugad
