#include "host/options/image_options.hpp"

#include <algorithm>

#include "cugad/error.hpp"
#include "cugad/image_shape.hpp"
#include "host/methods/layer_lists.hpp"
#include "host/methods/methods.hpp"
#include "host/options/method_options.hpp"

namespace cugad {
namespace {

/// The largest stack of convolutions: a branch has 4 layers.
constexpr std::size_t most_halvings = 4;
constexpr int smallest_halved = 8, first_channels = 16, usual_latent = 32;
/// A U-Net has as many layers again behind its halvings, which end where nothing is left to halve.
constexpr std::size_t most_skips = 7;
constexpr int smallest_translated = 4;
constexpr int translation_channels = 32, most_translation_channels = 128;

[[noreturn]] void refuse(const std::string& what) { throw Error(ErrorCode::invalid_argument, what); }

bool has_batch_norm(const Layer& layer) { return layer.batch_norm; }
bool has_layer_norm(const Layer& layer) { return layer.layer_norm; }
bool is_normalised(const Layer& layer) { return layer.batch_norm || layer.layer_norm; }
bool is_joined(const Layer& layer) { return layer.joined > 0; }
bool is_convolution(const Layer& layer) { return layer.convolves(); }

template <class Is>
bool any(const std::vector<Layer>& list, const Is& is) {
  return std::any_of(list.begin(), list.end(), is);
}

bool has_critic(const DetectorOptions& options) {
  return definition_of(options.method).reads("generator_loss") && options.generator_loss == GeneratorLoss::wasserstein;
}

/// Every column of an image has the same unit, and none a meaning of its own.
void check_image_options(const DetectorOptions& options) {
  if (options.scale != Scale::range && options.scale != Scale::none)
    refuse("images are scaled alike in all columns: set scale = range (or none)");
  if (options.log1p != std::vector<std::string>{"none"}) refuse("images take no log1p of columns: set log1p = none");
  const ImageShape& image = *options.image;
  if (options.shift >= std::min(image.height, image.width)) {
    refuse("option 'shift' is " + std::to_string(options.shift) + ", expected less than the " +
           std::to_string(image.height) + " lines and " + std::to_string(image.width) + " columns of the images");
  }
  if (!options.target.empty()) {
    if (options.target.size() != 1 || (options.target[0] != "right" && options.target[0] != "left"))
      refuse("option 'target' is '" + options.target[0] + "', expected of images the half right or left");
    if (image.width % 2 != 0) {
      refuse("option 'image' is '" + image_shape_text(image) +
             "', expected an even width: half of each picture is the source, the other the target");
    }
  }
  if (options.novelty > 0.0f) refuse("images have no categories that could be new: set novelty = 0");
}

/// Whether searches go through the networks layer by layer (ScoringNetworks::runs_by_layers).
bool is_searched_by_layers(const DetectorOptions& options) {
  const MethodDefinition& method = definition_of(options.method);
  return options.image || any(options.hidden, has_layer_norm) ||
         (method.has_encoder && any(options.encoder_hidden, has_layer_norm)) ||
         (!method.judges_pairs && any(options.discriminator_hidden, has_layer_norm));
}

/// What LayerSearch can do.
void check_search(const DetectorOptions& options) {
  const auto refuse_option = [](const char* name, const char* expected) {
    refuse(std::string("searches of images, and through layers with ln, take no other ") + name + " than " + expected +
           ": set that, or another score");
  };
  const bool is_judged = options.lambda > 0.0f && !definition_of(options.method).judges_pairs;
  if (options.residual == Distance::l2) refuse_option("residual", "l1 and squared");
  if (options.prior_weight > 0.0f) refuse_option("prior_weight", "0");
  if (options.latent_clip > 0.0f) refuse_option("latent_clip", "0");
  if (is_judged &&
      (options.discrimination == Discrimination::cross_entropy || options.discrimination == Discrimination::feature_l2))
    refuse_option("discrimination", "none, feature_l1 and feature_squared");
}

void check_image_networks(const DetectorOptions& options, const std::vector<Layer>& judge) {
  if (options.score == ScoreRule::search && is_searched_by_layers(options)) check_search(options);
  if (options.batch_norm && options.image)
    refuse("batch_norm is for tables: write bn behind the layers of data_branch");
  if (options.minibatch_kernels > 0 && any(judge, is_joined))
    refuse("minibatch_kernels takes discriminators without joined layers (+N)");
  if (options.hidden.size() >= NetworkView::max_layers && !any(options.hidden, is_convolution))
    refuse("option 'generator_hidden' has " + std::to_string(options.hidden.size()) +
           " dense layers, expected at most " + std::to_string(NetworkView::max_layers - 1));
  if (options.virtual_batch > 0 && (options.image || any(options.hidden, is_normalised)))
    refuse("virtual_batch takes generators of dense layers without bn and ln: set virtual_batch = 0");
  const bool is_critic = has_critic(options);
  if (any(judge, has_batch_norm) && (is_critic ? options.gradient_penalty : options.r1) > 0.0f) {
    refuse(std::string("bn lets the rows of a batch see each other, which a gradient penalty excludes: set ") +
           (is_critic ? "gradient_penalty" : "r1") + " = 0, or write ln in the discriminator's layers instead");
  }
}

}  // namespace

void check_images(const DetectorOptions& options) {
  const MethodDefinition& method = definition_of(options.method);
  if (options.image) check_image_options(options);
  if (!method.trains()) return;
  if (options.image && !method.takes_images) {
    std::string others;
    for (const MethodDefinition* one : all_methods()) {
      if (one->takes_images) others += (others.empty() ? "" : ", ") + std::string(one->name);
    }
    refuse("method '" + std::string(method.name) + "' takes no images, expected one of " + others);
  }
  const std::vector<Layer>& judge = method.judges_pairs ? options.data_branch : options.discriminator_hidden;
  for (const std::vector<Layer>* list :
       {&options.hidden, &judge, &options.encoder_hidden, &options.latent_branch, &options.discriminator_hidden,
        &options.cycle_hidden, &options.latent_cycle_hidden}) {
    if (!method.takes_images && any(*list, is_normalised))
      refuse("method '" + std::string(method.name) + "' has no layers with bn or ln");
    if (any(*list, [](const Layer& layer) { return layer.batch_norm && layer.layer_norm; }))
      refuse("a hidden layer has bn and ln, expected one of them");
    if (is_conditional(options) && any(*list, has_layer_norm))
      refuse("layers with ln take no condition: write the layers without ln");
  }
  const HiddenForm form;
  const std::optional<ImageShape> image = judged_image(options);
  const RowForm rows{image};
  if (method.judges_pairs) {
    layers_on_rows("data_branch", options.data_branch, rows, form);
    layers_on_rows("latent_branch", options.latent_branch, {}, form);
  }
  if (method.reads("cycle_hidden")) {
    if (options.image && !options.condition.empty())
      refuse("method 'alad' takes images without conditions: its discriminator sees two images, one above the other");
    std::optional<ImageShape> pair = options.image;
    if (pair) pair->height *= 2;
    layers_on_rows("cycle_hidden", options.cycle_hidden, pair, form);
    layers_on_rows("latent_cycle_hidden", options.latent_cycle_hidden, {}, form);
  }
  if (method.has_encoder) layers_on_rows("encoder_hidden", options.encoder_hidden, rows, form, LayerSpec());
  // Lists that have their defaults are replaced by choose_image_layers.
  const DetectorOptions defaults;
  if (options.image && !options.target.empty()) {
    if (options.hidden != defaults.hidden)
      layers_between_images("generator_hidden", options.hidden, *image, form, Activation::identity);
    if (options.discriminator_hidden != defaults.discriminator_hidden)
      layers_to_map("discriminator_hidden", options.discriminator_hidden, rows, form);
    if (options.discriminator_weight > 0.0f)
      refuse("a discriminator of patches has no part in the score: set discriminator_weight = 0");
  } else {
    layers_on_rows("discriminator_hidden", options.discriminator_hidden, method.judges_pairs ? RowForm() : rows, form,
                   LayerSpec());
    layers_to_rows("generator_hidden", options.hidden, image, 1, form, Activation::identity);
  }
  check_image_networks(options, judge);
}

namespace {

/// Of 4 x 4 pixels, as DCGAN and pix2pix have them.
Layer convolution(Layer::Kind kind, int channels, int stride, bool batch_norm = false) {
  Layer layer(channels);
  layer.kind = kind;
  layer.window = 4;
  layer.stride = stride;
  layer.batch_norm = batch_norm;
  return layer;
}

/// A U-Net and a discriminator of patches as in Isola 2016, narrower: the image is halved until it has less than 4
/// lines or columns; two halvings, and a convolution of stride 1, before each patch's logit.
void choose_translation_layers(DetectorOptions& options) {
  const DetectorOptions defaults;
  ImageShape size = *judged_image(options);
  std::vector<Layer> down, patches;
  const auto channels = [](std::size_t l) { return std::min(translation_channels << l, most_translation_channels); };
  while (std::min(size.height, size.width) >= smallest_translated && down.size() < most_skips) {
    down.push_back(convolution(Layer::Kind::convolution, channels(down.size()), 2, !down.empty()));
    size.height = (size.height + 1) / 2;
    size.width = (size.width + 1) / 2;
  }
  if (down.size() < 2) {
    refuse("images of " + image_shape_text(*judged_image(options)) + " are too small for translation's usual layers, " +
           "expected at least 7 lines and columns in each half: set generator_hidden and discriminator_hidden");
  }
  for (std::size_t l = 0; l < 2; ++l) patches.push_back(convolution(Layer::Kind::convolution, channels(l), 2, l > 0));
  patches.push_back(convolution(Layer::Kind::convolution, channels(patches.size()), 1, true));
  down.back().batch_norm = false;  // it may have a single pixel
  for (std::size_t l = down.size() - 1; l > 0; --l) {
    Layer up = convolution(Layer::Kind::transposed, channels(l - 1), 2, true);
    up.joined = static_cast<int>(l);
    down.push_back(up);
  }
  if (options.hidden == defaults.hidden) options.hidden = down;
  if (options.discriminator_hidden == defaults.discriminator_hidden) options.discriminator_hidden = patches;
}

}  // namespace

void choose_image_layers(DetectorOptions& options) {
  if (!options.image) return;
  if (!options.target.empty()) return choose_translation_layers(options);
  const DetectorOptions defaults;
  if (options.latent == 0) options.latent = usual_latent;
  std::vector<Layer> down;
  ImageShape size = *options.image;
  while (std::min(size.height, size.width) >= smallest_halved && down.size() < most_halvings) {
    down.push_back(convolution(Layer::Kind::convolution, first_channels << down.size(), 2));
    size.height = (size.height + 1) / 2;
    size.width = (size.width + 1) / 2;
  }
  if (down.empty()) return;
  if (!definition_of(options.method).judges_pairs && options.discriminator_hidden == defaults.discriminator_hidden) {
    options.discriminator_hidden = down;
    for (std::size_t l = 1; l < down.size(); ++l) options.discriminator_hidden[l].layer_norm = has_critic(options);
  }
  if (options.data_branch == defaults.data_branch) options.data_branch = down;
  if (options.cycle_hidden == defaults.cycle_hidden) options.cycle_hidden = down;
  std::vector<Layer> up(down.rbegin() + 1, down.rend());
  up.insert(up.begin(), Layer(size.height * size.width * down.back().out));
  for (Layer& layer : up) {
    if (layer.convolves()) layer.kind = Layer::Kind::transposed;
    layer.batch_norm = true;
  }
  for (Layer& layer : down) layer.batch_norm = true;
  if (options.encoder_hidden == defaults.encoder_hidden) options.encoder_hidden = down;
  if (options.hidden == defaults.hidden) options.hidden = up;
}

}  // namespace cugad
