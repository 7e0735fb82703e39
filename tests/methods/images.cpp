#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "host/detector/fitting.hpp"
#include "host/methods/layer_lists.hpp"
#include "host/methods/methods.hpp"
#include "host/model_file/safetensors.hpp"
#include "host/options/method_options.hpp"
#include "host/training/gan_training.hpp"
#include "tests/common/random_words.hpp"
#include "tests/common/temporary_directory.hpp"
#include "tests/methods/clusters.hpp"

/// Lists of layers, and detectors whose rows are images.
namespace cugad::test {
namespace {

std::vector<Layer> layers(const std::string& text) {
  DetectorOptions options;
  set_option(options, "generator_hidden", text);
  return options.hidden;
}

DetectorOptions image_options(const std::string& image = "8x6x1") {
  DetectorOptions options = quick_options();
  set_option(options, "image", image);
  options.method = Method::ganomaly;
  options.scale = Scale::range;
  options.log1p = {"none"};
  options.novelty = 0.0f;
  options.steps = 20;
  options.population = 1;
  return options;
}

/// Blobs at random places, from 0 to 255.
Matrix blobs(std::int64_t rows, int height, int width, std::uint64_t seed) {
  RandomNumbers numbers(seed);
  Matrix images(rows, std::int64_t{height} * width);
  for (std::int64_t r = 0; r < rows; ++r) {
    const double y = 2.0 + (height - 4) * numbers.uniform(), x = 2.0 + (width - 4) * numbers.uniform();
    for (std::int64_t p = 0; p < images.columns; ++p) {
      const double dy = static_cast<double>(p / width) - y, dx = static_cast<double>(p % width) - x;
      images.row(r)[p] = static_cast<float>(255.0 * std::exp(-0.5 * (dy * dy + dx * dx)));
    }
  }
  return images;
}

TEST(Layers, AreReadAndWrittenAsText) {
  for (const char* text : {"128", "128,64", "128bn", "128ln", "conv64k4s2", "conv64k3s1bn,12", "conv64k3s1ln,12",
                           "12bn,up64k4s2bn,conv3k5s1", "conv8k4s2,conv8k3s1bn+1,up4k4s2bn"}) {
    DetectorOptions options;
    set_option(options, "generator_hidden", text);
    EXPECT_EQ(get_option(options, "generator_hidden"), text);
    EXPECT_EQ(options_from_json(options_to_json(options)).hidden, options.hidden) << text;
  }
  EXPECT_EQ(layers("conv8k3"), layers("conv8k3s1"));
  DetectorOptions options;
  for (const char* text : {"conv",
                           "conv8",
                           "conv8k",
                           "conv0k3",
                           "conv8k3s0",
                           "conv8k2s3",
                           "conv8k32s1",
                           "up8k4s9",
                           "8k3",
                           "bn",
                           "8bnbn",
                           "8 bn",
                           "conv8k4s2x",
                           "CONV8k4s2",
                           "conv-8k4s2",
                           "conv65537k4s2",
                           "conv8k4s2lnbn",
                           "conv8k3s1+",
                           "conv8k3s1+0",
                           "conv8k3s1+1bn",
                           "ln",
                           "8bnln"}) {
    expect_error(ErrorCode::invalid_argument, {"option 'encoder_hidden' is", "expected"},
                 [&] { set_option(options, "encoder_hidden", text); });
  }
  for (const char* text : {"28", "28x", "x28", "0x3x1", "28x28x0", "28x28x1x1", "-1x3", "65536x65536x1", "a"}) {
    expect_error(ErrorCode::invalid_argument, {"image", "28x28x1"}, [&] { set_option(options, "image", text); });
  }
  set_option(options, "image", "28x14");
  EXPECT_EQ(get_option(options, "image"), "28x14x1");
  set_option(options, "image", "");
  EXPECT_FALSE(options.image);
}

/// TensorFlow's SAME, forwards and backwards, for sizes that strides divide or not.
TEST(Layers, GiveImagesTheirSizes) {
  const auto down = layers_on_rows("encoder_hidden", layers("conv4k4s2,conv6k3s2,9"), ImageShape{7, 28, 2}, {});
  ASSERT_EQ(down.size(), 3u);
  const auto expect_image = [](const ImageShape& image, int height, int width, int channels) {
    EXPECT_EQ(image.height, height);
    EXPECT_EQ(image.width, width);
    EXPECT_EQ(image.channels, channels);
  };
  expect_image(down[0].from, 7, 28, 2);
  expect_image(down[0].to, 4, 14, 4);
  EXPECT_EQ(down[0].window.pad_top, 1);  // 3 lines of padding: one above, two below
  EXPECT_EQ(down[0].window.pad_left, 1);
  expect_image(down[1].to, 2, 7, 6);
  EXPECT_EQ(down[1].window.pad_top, 0);  // one line: below
  EXPECT_EQ(down[2].out, 9);
  const auto up = layers_to_rows("generator_hidden", layers("5,24bn,up3k4s2,up2k4s2"), ImageShape{13, 27, 3},
                                 13 * 27 * 3, {}, Activation::tanh);
  ASSERT_EQ(up.size(), 5u);
  expect_image(up[1].to, 2, 4, 3);
  EXPECT_EQ(up[1].out, 24);
}

/// Behind the sums, with the activation; the channels of an image share scale and shift.
TEST(Layers, NormaliseInLayersOfTheirOwn) {
  const HiddenForm form{.activation = Activation::relu, .dropout = 0.5f};
  const auto down = layers_on_rows("encoder_hidden", layers("conv4k4s2ln,9ln"), ImageShape{7, 28, 2}, form);
  ASSERT_EQ(down.size(), 4u);
  for (const std::size_t l : {std::size_t{0}, std::size_t{2}}) {
    EXPECT_EQ(down[l].activation, Activation::identity);
    EXPECT_EQ(down[l].dropout, 0.0f);
    EXPECT_TRUE(down[l + 1].layer_norm);
    EXPECT_EQ(down[l + 1].activation, Activation::relu);
    EXPECT_EQ(down[l + 1].dropout, 0.5f);
  }
  const Mlp mlp(7 * 28 * 2, down);
  EXPECT_EQ(mlp.units(1), 4);
  EXPECT_EQ(mlp.units(3), 9);
  const auto up = layers_to_rows("generator_hidden", layers("24ln,up3k4s2ln"), ImageShape{8, 16, 3}, 8 * 16 * 3, form,
                                 Activation::tanh);
  ASSERT_EQ(up.size(), 5u);
  EXPECT_EQ(Mlp(5, up).units(1), 3);  // the dense layer's outputs are an image of 2 x 4 x 3
}

TEST(Layers, ThatDoNotFitAreRefused) {
  const auto refused = [](std::vector<std::string> words, const std::function<void(DetectorOptions&)>& change) {
    DetectorOptions options = image_options();
    options.r1 = 0.0f;
    change(options);
    expect_error(ErrorCode::invalid_argument, words, [&] { check_options(options); });
  };
  const auto set = [](const char* name, const char* value) {
    return [=](DetectorOptions& o) { set_option(o, name, value); };
  };
  refused({"discriminator_hidden", "behind a dense layer"}, set("discriminator_hidden", "8,conv4k3s1"));
  refused({"generator_hidden", "dense layer behind a convolution"}, set("generator_hidden", "48,up4k3s1,8"));
  refused({"generator_hidden", "begins with a convolution"}, set("generator_hidden", "up4k4s2"));
  refused({"generator_hidden", "stride 2"}, set("generator_hidden", "48,conv4k4s2"));
  refused({"generator_hidden", "13 units", "2 x 2 pixels"}, set("generator_hidden", "13,up4k4s2"));
  refused({"encoder_hidden", "set image"}, [](DetectorOptions& o) {
    o.image.reset();
    set_option(o, "encoder_hidden", "conv4k3s1");
  });
  refused({"scale = range"}, set("scale", "standard"));
  refused({"log1p = none"}, set("log1p", "auto"));
  refused({"novelty = 0"}, set("novelty", "1"));
  refused({"joins layer 1 with layer 1", "earlier"}, set("discriminator_hidden", "conv4k3s1+1,conv4k3s1"));
  refused({"joins layer 2 with layer 1", "4 x 3", "8 x 6"}, set("encoder_hidden", "conv4k3s1,conv4k4s2+1"));
  refused({"joins layer 2 with layer 1", "expected convolutions"}, set("generator_hidden", "48,conv4k3s1+1"));
  refused({"'target'", "half right or left"}, [](DetectorOptions& o) {
    o.method = Method::translation;
    o.target = {"top"};
  });
  refused({"set target", "right"}, set("method", "translation"));
  refused({"'shift' is 6", "6 columns"}, set("shift", "6"));
  refused({"at most 7"}, set("generator_hidden", "8,8,8,8,8,8,8,8"));
  refused({"takes no images", "ganomaly"}, set("method", "gain"));
  refused({"takes no images"}, set("method", "ganomaly,gain"));
  for (const char* text : {"8bn", "8ln"}) {
    refused({"has no layers with bn or ln"}, [&](DetectorOptions& o) {
      o = quick_options();
      o.method = Method::gain;
      set_option(o, "generator_hidden", text);
    });
  }
  refused({"alad", "without conditions"}, [](DetectorOptions& o) {
    o.method = Method::alad;
    o.condition = {"c"};
  });
  refused({"bn and ln"}, [](DetectorOptions& o) {
    set_option(o, "encoder_hidden", "conv4k3s1bn");
    o.encoder_hidden[0].layer_norm = true;
  });
  refused({"ln take no condition"}, [](DetectorOptions& o) {
    o = quick_options();
    set_option(o, "condition", "a");
    set_option(o, "discriminator_hidden", "8ln");
  });
  refused({"prior_weight", "through layers with ln"}, [](DetectorOptions& o) {
    o = quick_options();
    o.method = Method::anogan;
    o.score = ScoreRule::search;
    o.prior_weight = 0.1f;
    set_option(o, "generator_hidden", "8ln");
  });
  refused({"gradient penalty", "r1 = 0", "ln"}, [](DetectorOptions& o) {
    o.r1 = 0.3f;
    set_option(o, "discriminator_hidden", "conv4k3s1bn");
  });
  refused({"virtual_batch = 0"}, set("virtual_batch", "8"));
  refused({"batch_norm", "data_branch"}, [](DetectorOptions& o) {
    o.method = Method::egbad;
    o.batch_norm = true;
  });
  for (const auto& [name, value] : {std::pair("latent_clip", "1"),
                                    {"residual", "l2"},
                                    {"prior_weight", "0.1"},
                                    {"discrimination", "cross_entropy"}}) {
    refused({name, "searches of images"}, [&, name = name, value = value](DetectorOptions& o) {
      o.method = Method::anogan;
      o.score = ScoreRule::search;
      set_option(o, name, value);
    });
  }
}

TEST(Images, ChooseLayersByTheirSize) {
  const auto resolved = [](const std::string& image, Method method) {
    DetectorOptions options = image_options(image);
    options.method = method;
    options.hidden = options.discriminator_hidden = DetectorOptions{}.hidden;
    options.latent = 0;
    const std::int64_t columns = std::int64_t{options.image->height} * options.image->width * options.image->channels;
    options = resolve(options, 100, columns);
    check_options(options);
    definition_of(method).networks(options, columns, 0);
    return options;
  };
  const DetectorOptions mnist = resolved("28x28x1", Method::ganomaly);
  EXPECT_EQ(get_option(mnist, "discriminator_hidden"), "conv16k4s2,conv32k4s2");
  EXPECT_EQ(get_option(mnist, "encoder_hidden"), "conv16k4s2bn,conv32k4s2bn");
  EXPECT_EQ(get_option(mnist, "generator_hidden"), "1568bn,up16k4s2bn");
  const DetectorOptions pairs = resolved("65x31x3", Method::egbad);
  EXPECT_EQ(get_option(pairs, "data_branch"), "conv16k4s2,conv32k4s2,conv64k4s2");
  EXPECT_EQ(get_option(pairs, "discriminator_hidden"), "128,128");
  EXPECT_EQ(get_option(resolved("4x4x1", Method::gan), "generator_hidden"), "128,128");
  for (const char* image : {"8x8x1", "9x200x2", "128x64x3", "257x17x1"}) {
    for (const Method method : {Method::fanogan, Method::ali, Method::alad}) resolved(image, method);
  }
  EXPECT_EQ(get_option(resolved("32x32x3", Method::alad), "cycle_hidden"), "conv16k4s2,conv32k4s2,conv64k4s2");
}

TEST(Images, GiveCriticsLayerNormalisation) {
  DetectorOptions options = image_options("28x28x1");
  options.method = Method::fanogan;
  options.generator_loss = GeneratorLoss::wasserstein;
  options.hidden = options.discriminator_hidden = options.encoder_hidden = DetectorOptions{}.hidden;
  options = resolve(options, 100, 784);
  EXPECT_EQ(get_option(options, "discriminator_hidden"), "conv16k4s2,conv32k4s2ln");
  EXPECT_EQ(get_option(options, "encoder_hidden"), "conv16k4s2bn,conv32k4s2bn");
}

TEST(Images, AreTrainedScoredAndKept) {
  const TemporaryDirectory directory;
  const Matrix training = blobs(200, 16, 15, 1);
  Matrix rows = blobs(50, 16, 15, 2);
  DetectorOptions options = image_options("16x15x1");
  options.hidden = options.discriminator_hidden = options.encoder_hidden = DetectorOptions{}.hidden;
  Detector detector = fitted(options, training);
  EXPECT_EQ(get_option(detector.options(), "encoder_hidden"), "conv16k4s2bn,conv32k4s2bn");
  const std::vector<float> scores = detector.score(rows.view());
  detector.save(directory.file("model"));
  Detector loaded = Detector::load(test_device(), directory.file("model"));
  EXPECT_TRUE(same_bits(loaded.score(rows.view()), scores));
  EXPECT_TRUE(loaded.options().image);
  rows.row(3)[5] = std::nanf("");
  EXPECT_TRUE(std::isfinite(detector.score(rows.view())[3])) << "a missing pixel";
  const safetensors::File file = safetensors::read(directory.file("model"));
  EXPECT_EQ(file.tensors.at("encoder.0.weight").shape, (std::vector<std::int64_t>{16, 4, 4, 1}));
  EXPECT_EQ(file.tensors.at("generator.1.weight").shape, (std::vector<std::int64_t>{16, 4, 4, 32}));
}

/// The memory that is reported before the first step is the memory that is taken.
TEST(Images, MemoryIsToldAndRefusedBeforeTraining) {
  const Device device = Device::open("cpu", 2);
  DetectorOptions options = image_options("32x32x1");
  options.hidden = options.discriminator_hidden = options.encoder_hidden = DetectorOptions{}.hidden;
  options.population = 3;
  options = resolve(options, 64, 1024);
  const Matrix rows = blobs(64, 32, 32, 1);
  const std::size_t before = device.memory().bytes;
  const GanTraining training(device, definition_of(options.method), options, TrainingRows(rows.view()));
  const auto taken = static_cast<double>(device.memory().bytes - before);
  EXPECT_EQ(training.memory().at_once, 2);
  EXPECT_NEAR(static_cast<double>(training.memory().total()), taken, 0.05 * taken) << training.memory().text();
  std::vector<std::string> messages;
  FitControl control;
  control.on_message = [&](const std::string& text) { messages.push_back(text); };
  options.steps = 1;
  Detector(device, options).fit(rows.view(), control);
  EXPECT_TRUE(std::any_of(messages.begin(), messages.end(), [](const std::string& text) {
    return text.starts_with("memory: weights ") && text.find("for 3 models, 2 at a time") != std::string::npos;
  }));
  options = image_options("256x256x3");
  options.hidden = options.discriminator_hidden = options.encoder_hidden = DetectorOptions{}.hidden;
  options.batch = 65536;
  expect_error(ErrorCode::out_of_memory, {"more memory than this machine has", "per model", "smaller batch"},
               [&] { Detector(device, options).fit(Matrix(6, std::int64_t{256} * 256 * 3).view()); });
}

TEST(Images, MustBeWhatTheOptionsSay) {
  const Matrix rows = blobs(60, 8, 6, 1);
  expect_error(ErrorCode::invalid_argument, {"option 'image' is '7x6x1'", "42", "48 columns"},
               [&] { fitted(image_options("7x6x1"), rows); });
  Detector detector(test_device(), image_options());
  expect_error(ErrorCode::invalid_argument, {"2 of them from categories"},
               [&] { detector.fit(rows.view(), {.names = {}, .binary = 2}); });
}

TEST(Images, RangeIsOneMapForAllPixels) {
  DetectorOptions options = image_options("2x1x1");
  FeatureTransform transform;
  Context context = Device::open("cpu", 1).make_context();
  Matrix rows(2, 2);
  rows.data = {0.0f, 40.0f, 0.0f, 200.0f};
  transform.fit(context, rows.view(), options, {"a", "b"}, 2, {});
  Matrix out(2, 2);
  transform.apply(context, rows.view(), out.view());
  EXPECT_EQ(out.data, (std::vector<float>{-1.0f, -0.6f, -1.0f, 1.0f}));
}

}  // namespace
}  // namespace cugad::test
