#!/bin/sh
# Builds and runs the test: sh test.sh
set -eu
cd "$(dirname "$0")"
mkdir -p build
cc -std=c11 -O1 -g -Wall -Wextra -Ivendor test.c plugin.c average.c -o build/test
./build/test
