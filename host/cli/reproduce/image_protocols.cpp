#include "host/cli/reproduce/image_protocols.hpp"

#include "host/cli/reproduce/image_baselines.hpp"

namespace cugad::cli {
namespace {

constexpr const char* baselines_note =
    "pixel kNN: mean distance to the 5 nearest training images. PCA of 32: distance to the image that 32 principal "
    "components rebuild. All three baselines on pixels as they are.";
constexpr const char* recommended_note =
    "recommended: the preset images, for every class alike; its latent size and score were chosen on MNIST's digit 8.";
constexpr const char* faithful_note =
    "egbad, ganomaly (--setting): losses, layers and epochs of their authors' code, TensorFlow's SAME padding, weights "
    "that start Glorot-uniform; ganomaly on 28 x 28 pixels, its first encoder and D with biases.";

Protocol image_protocol(const std::string& name, const std::string& image) {
  Protocol protocol;
  protocol.name = name;
  protocol.image = image;
  protocol.seeds = 3;
  protocol.offered = {{"recommended", "images"}};
  protocol.baselines = {pixel_neighbour_baseline(), principal_component_baseline(), mean_image_baseline()};
  return protocol;
}

Protocol one_class(const std::string& data, const std::string& variant, const std::string& rule) {
  Protocol protocol = image_protocol(data + variant, "28x28x1");
  protocol.rule = rule;
  protocol.has_rows = true;
  protocol.has_classes = true;
  protocol.offered.push_back({"egbad", "mnist-egbad-faithful"});
  protocol.offered.push_back({"ganomaly", "mnist-ganomaly-faithful"});
  protocol.notes = {baselines_note, recommended_note, faithful_note};
  return protocol;
}

Protocol one_class_normal(const std::string& data, const std::string& title,
                          std::vector<Case> (*cases)(const DataChoices&)) {
  Protocol protocol = one_class(data, "-one-class-normal",
                                title +
                                    ", one class normal: trained on the 6,000 or so training images of a class, "
                                    "tested on all 10,000 test images.");
  protocol.cases = cases;
  return protocol;
}

Protocol one_class_anomalous(const std::string& data, const std::string& title,
                             std::vector<Case> (*cases)(const DataChoices&)) {
  Protocol protocol = one_class(data, "-one-class-anomalous",
                                title +
                                    ", one class anomalous (EGBAD, GANomaly): of all 70,000 images, trained on 80 "
                                    "% of those of the other classes, tested on the rest and on all of the class.");
  protocol.notes.emplace_back("EGBAD and GANomaly print their figures per class as bars, without numbers.");
  protocol.cases = cases;
  return protocol;
}

Protocol magnetic_tile() {
  Protocol protocol = image_protocol("magnetic-tile", "64x64x1");
  protocol.rule =
      "Magnetic tiles (Huang, Qiu, Yuan 2020): half of the good ones train, the rest and all defective ones test. "
      "Images and masks are cropped around their centres and resized (--image).";
  protocol.takes_image = true;
  protocol.measures_pixels = true;
  protocol.notes = {
      baselines_note, recommended_note,
      "Maps: residuals of the pixels; of the baselines |x - mean|, |x - rebuilt| and the mean |x - neighbour|. PRO: "
      "overlap with the regions of the masks, up to 30 % of the normal pixels.",
      "No published figure on this split. On MVTec AD, other photographs of goods, GANomaly has a mean image AUROC of "
      ".421 (anomalib's README), PatchCore, on a network that was trained on ImageNet, .985."};
  protocol.cases = magnetic_tile_cases;
  return protocol;
}

}  // namespace

std::vector<Protocol> image_protocols() {
  Protocol digits = one_class_normal("mnist", "MNIST", mnist_normal_cases);
  digits.published = {{.name = "AnoGAN", .auroc = .937}, {.name = "OCGAN", .auroc = .975}};
  return {digits, one_class_anomalous("mnist", "MNIST", mnist_anomalous_cases),
          one_class_normal("fashion-mnist", "Fashion-MNIST", fashion_normal_cases),
          one_class_anomalous("fashion-mnist", "Fashion-MNIST", fashion_anomalous_cases), magnetic_tile()};
}

}  // namespace cugad::cli
