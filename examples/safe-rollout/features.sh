#!/bin/sh
# Prints a request of the Open Inference Protocol for a file, or a JSON list of one for each: what the model `magika` looks
# at, which is a file's first 1,024 bytes after leading white space and its last 1,024 before trailing white space, filled up
# with 256.
#
#   features.sh FILE…
set -eu

# One decimal number a byte.
bytes() { od -An -v -tu1 -w1; }

separator="" end=""
if [ $# -gt 1 ]; then separator="[" end="]"; fi
for file in "$@"; do
  printf '%s' "$separator"
  separator=","
  { head -c 4096 "$file" | bytes; echo end; tail -c 4096 "$file" | bytes; } | awk '
    function blank(value) { return value == 32 || (value >= 9 && value <= 13) }
    $1 == "end" { isEnd = 1; next }
    !isEnd { head[heads++] = $1 + 0 }
    isEnd { tail[tails++] = $1 + 0 }
    END {
      first = 0
      while (first < heads && blank(head[first])) first++
      while (tails > 0 && blank(tail[tails - 1])) tails--
      for (i = first; i < first + 1024; i++) list = list (i > first ? "," : "") (i < heads ? head[i] : 256)
      for (i = tails - 1024; i < tails; i++) list = list "," (i >= 0 ? tail[i] : 256)
      printf "{\"inputs\":[{\"name\":\"bytes\",\"shape\":[1,2048],\"datatype\":\"INT32\",\"data\":[%s]}]}", list
    }'
done
echo "$end"
