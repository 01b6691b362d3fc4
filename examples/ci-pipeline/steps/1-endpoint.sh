#!/bin/sh
# Creates the endpoint, or leaves it as it is: the step may run again and again. Remembers how the traffic was.
. "$(dirname "$0")/settings.sh"

apus endpoint create -f "$pipeline/endpoint.yml" --exist-ok
# As --traffic takes it: blue=90 green=10, or nothing.
apus endpoint show -n "$endpoint" --query traffic -o yaml | sed -n 's/^\([[:alnum:]-]*\): /\1=/p' | tr '\n' ' ' |
  sed 's/ $//' >"$STATE/traffic-before"
echo "the traffic was: $(cat "$STATE/traffic-before")"
