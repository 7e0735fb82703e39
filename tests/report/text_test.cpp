#include <gtest/gtest.h>

#include "host/report/page.hpp"
#include "host/report/shown_text.hpp"
#include "host/text/sha256.hpp"
#include "host/text/shell_text.hpp"

/// Texts of rows on a page, and names of files.
namespace cugad::test {
namespace {

TEST(ShownText, KeepsWordsOfAllLanguages) {
  for (const char* text : {"", "load", "Größe", "温度", "سرعة", "a<b & \"c\"", "🚀"}) EXPECT_EQ(shown_text(text), text);
}

TEST(ShownText, WritesOutWhatIsNotSeen) {
  EXPECT_EQ(shown_text(std::string("a\0b", 3)), "a\\u0000b");
  EXPECT_EQ(shown_text("a\nb\x1b\x7f"), "a\\u000ab\\u001b\\u007f");
  EXPECT_EQ(shown_text("a\u202eb\u2066\u200f"), "a\\u202eb\\u2066\\u200f");
  EXPECT_EQ(shown_text("\ufeffx\u200b\u2028"), "\\ufeffx\\u200b\\u2028");
}

TEST(ShownText, WritesOutBytesThatAreNotUtf8) {
  EXPECT_EQ(shown_text("a\xff"
                       "b"),
            "a\\xffb");
  EXPECT_EQ(shown_text("\xc3"), "\\xc3");                    // cut
  EXPECT_EQ(shown_text("\xc0\x80"), "\\xc0\\x80");           // overlong
  EXPECT_EQ(shown_text("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // half of a pair
  EXPECT_EQ(shown_text("\xc3\xa9\xe2\x82"), "é\\xe2\\x82");
}

TEST(ShownText, CutsLongTextsBetweenCodePoints) {
  EXPECT_EQ(shown_text(std::string(500, 'x'), 3), "xxx…");
  EXPECT_EQ(shown_text("éééé", 3), "ééé…");
  EXPECT_EQ(shown_text("ééé", 3), "ééé");
}

TEST(HtmlText, HoldsNoMarkup) { EXPECT_EQ(html_text("</title><b>&"), "&lt;/title&gt;&lt;b&gt;&amp;"); }

TEST(Page, KeepsItsDataInOneElement) {
  check_has_charts();
  OrderedJson data = OrderedJson::object();
  const TakenApart parts(data);
  data["text"] = "</script><!--{{style}}";
  const std::string page = page_of("</title>{{data}}", data);
  const std::size_t begin = page.find("<script type=\"application/json\" id=\"data\">") + 42;
  const std::string held = page.substr(begin, page.find("</script>", begin) - begin);
  EXPECT_EQ(held, "{\"text\":\"\\u003c/script>\\u003c!--{{style}}\"}");
  EXPECT_EQ(OrderedJson::parse(held)["text"], data["text"]);
  EXPECT_NE(page.find("<title>&lt;/title&gt;{{data}} - cugad report</title>"), std::string::npos);
  EXPECT_NE(page.find("Released under the MIT License"), std::string::npos) << "the notice of Chart.js";
}

TEST(Page, PutsBytesIntoLinks) {
  const auto link = [](std::string_view text) { return png_link(std::as_bytes(std::span(text.data(), text.size()))); };
  EXPECT_EQ(link(""), "data:image/png;base64,");  // RFC 4648
  EXPECT_EQ(link("f"), "data:image/png;base64,Zg==");
  EXPECT_EQ(link("fo"), "data:image/png;base64,Zm8=");
  EXPECT_EQ(link("foo"), "data:image/png;base64,Zm9v");
  EXPECT_EQ(link("foobar"), "data:image/png;base64,Zm9vYmFy");
  EXPECT_EQ(link("\xff\xfe"), "data:image/png;base64,//4=");
}

std::string hash_of(std::string_view text) {
  Sha256 hash;
  hash.add(text.substr(0, text.size() / 3));
  hash.add(text.substr(text.size() / 3));
  return hash.digest();
}

TEST(Sha256, HasTheValuesOfTheStandard) {
  EXPECT_EQ(hash_of(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hash_of("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hash_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(hash_of(std::string(1'000'000, 'a')), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(ShellText, IsOneArgument) {
  EXPECT_EQ(shell_text("a/b-1.csv"), "a/b-1.csv");
  EXPECT_EQ(shell_text(""), "''");
  EXPECT_EQ(shell_text("it's $x"), "'it'\\''s $x'");
}

}  // namespace
}  // namespace cugad::test
