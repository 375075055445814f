#!/bin/sh
# Builds and runs the test: sh test.sh
set -eu
cd "$(dirname "$0")"
mkdir -p build
c++ -std=c++17 -O1 -g -Wall -Wextra -Ivendor test.cpp plugin.cpp -o build/test
./build/test
