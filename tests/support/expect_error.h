// Expectations about failures: the code a program branches on and what the message must name.
#pragma once

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>

#include "runtime/status.h"

namespace bitnetc::test {

inline void expect_error(const Status& status, StatusCode code,
                         std::initializer_list<std::string> named) {
  ASSERT_FALSE(status.ok()) << "expected a failure";
  EXPECT_EQ(status.code(), code) << status_code_name(status.code()) << ": " << status.message();
  for (const std::string& part : named)
    EXPECT_NE(status.message().find(part), std::string::npos)
        << "\"" << part << "\" is not named in: " << status.message();
}

template <typename T>
void expect_error(const Result<T>& result, StatusCode code,
                  std::initializer_list<std::string> named) {
  expect_error(result.status(), code, named);
}

}  // namespace bitnetc::test
