// Tables of sums are made once per distinct input.
#include "compiler/passes/tables.h"

#include <gtest/gtest.h>

namespace bitnetc {
namespace {

constexpr TablesSpec kWords{.k = 256, .layout = LayoutId::kTl2, .form = TableForm::kWords};

TEST(TablesInPlace, TwoMatmulsOfOneInputShareThem) {
  TablesInPlace tables;
  EXPECT_TRUE(tables.must_build(3, kWords));
  tables.written(5);  // the output of the first matmul
  EXPECT_FALSE(tables.must_build(3, kWords));
}

TEST(TablesInPlace, AChangedInputNeedsNewOnes) {
  TablesInPlace tables;
  EXPECT_TRUE(tables.must_build(3, kWords));
  tables.written(3);
  EXPECT_TRUE(tables.must_build(3, kWords));
}

TEST(TablesInPlace, OneBufferHoldsOneTable) {
  TablesInPlace tables;
  EXPECT_TRUE(tables.must_build(3, kWords));
  EXPECT_TRUE(tables.must_build(4, kWords));
  EXPECT_TRUE(tables.must_build(3, kWords));
}

// Another tier's form, or another layout, is another table.
TEST(TablesInPlace, TheFormAndTheLayoutCount) {
  TablesInPlace tables;
  TablesSpec bytes = kWords, b3 = kWords;
  bytes.form = TableForm::kBytes;
  b3.layout = LayoutId::kB3;
  EXPECT_TRUE(tables.must_build(3, kWords));
  EXPECT_TRUE(tables.must_build(3, bytes));
  EXPECT_TRUE(tables.must_build(3, b3));
  EXPECT_FALSE(tables.must_build(3, b3));
}

}  // namespace
}  // namespace bitnetc
