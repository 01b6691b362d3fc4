#!/bin/sh
# A safe rollout from beginning to end, under constant load, with a real model. Says what it does; the exit status is 0 when
# every step did what it should and not one request of the load failed.
#
#   examples/safe-rollout/run.sh
#
# It talks to the server of `apus login`, or of APUS_SERVER and APUS_TOKEN. Without either it sets up a server of its own in
# a temporary folder, and removes it at the end.
#
#   APUS           the program                                        apus, or .build/release/apus
#   APUS_SCORING   where the server answers gRPC                      127.0.0.1:8001
#   MODELS         the folder of Tools/fetch-models                   .cache/models
#   CALLERS        calls of the load that are in flight all the time  2
#   HOLD           how long each step of the rollout is watched       5s
#   PORT           of three, for a server of its own                  18101
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
apus=${APUS:-$(command -v apus || echo "$root/.build/release/apus")}
scoring=${APUS_SCORING:-127.0.0.1:8001}
folder=$(mktemp -d)
load='' server=''

say() { printf '\n== %s\n' "$*"; }
fail() { printf 'safe-rollout: %s\n' "$*" >&2; exit 1; }

leave() {
  status=$?
  trap - EXIT
  for process in $load $server; do kill "$process" 2>/dev/null && wait "$process" || true; done
  rm -rf "$folder"
  exit $status
}
trap leave EXIT
trap 'exit 130' INT TERM

if [ -z "${APUS_SERVER:-}" ] && ! "$apus" endpoint list -o none --only-show-errors 2>/dev/null; then
  say "a server of our own, in $folder"
  export XDG_CONFIG_HOME="$folder/config" APUS_ONNXRUNTIME="${APUS_ONNXRUNTIME:-$root/.cache/onnxruntime/lib}"
  "$apus" init --data "$folder/data" >"$folder/first" 2>"$folder/log" || fail "$(cat "$folder/log")"
  port=${PORT:-18101}
  scoring=127.0.0.1:$port control=127.0.0.1:$((port + 2))
  "$apus" serve --data "$folder/data" --listen "$scoring" --http-listen "127.0.0.1:$((port + 1))" \
    --control-listen "$control" --instance-type Standard_DS3_v2=1,512Mi --machine 4,4Gi 2>"$folder/log" &
  server=$!
  until grep -q 'apus.server ready' "$folder/log"; do
    kill -0 "$server" 2>/dev/null || fail "the server does not start: $(cat "$folder/log")"
    sleep 1
  done
  grep -o 'apus_once_[[:alnum:]_-]*' "$folder/first" | head -n 1 |
    "$apus" login --server "http://$control" --secret -
fi

models=${MODELS:-$("$root/Tools/fetch-models" magika-v3-2 magika)}
"$here/features.sh" "$root/README.md" "$root/Package.swift" "$here/endpoint.yml" >"$folder/requests.json"
"$here/features.sh" "$root/Package.swift" >"$folder/request.json"

say "the endpoint, and its first deployment, blue, with all the traffic"
"$apus" endpoint create -f "$here/endpoint.yml" --exist-ok --query '{name: name, scoring_uri: scoring_uri}' -o yaml
"$apus" deployment create -f "$here/blue.yml" --set model.path="$models/magika-v3-2" --all-traffic -o table

say "constant load from here on: ${CALLERS:-2} calls in flight, all the time"
key=$("$apus" endpoint get-credentials -n filetype --query primaryKey -o tsv)
"$apus" load filetype --server "$scoring" --metadata "authorization=Bearer $key" --request "$folder/requests.json" \
  --concurrency "${CALLERS:-2}" --duration 1h --warm-up 0s --check-every 0 --quiet --json "$folder/load.json" \
  >"$folder/load.txt" 2>&1 &
load=$!

say "another model for the same endpoint: green, at 0 %"
"$apus" deployment create -f "$here/green.yml" --set model.path="$models/magika" -o table

say "green, tried by pin"
answered=$("$apus" endpoint invoke -n filetype -d green -r "$folder/request.json" --query model_version -o tsv)
[ "$answered" = green ] || fail "the pinned request was answered by '$answered'"
echo "answered by $answered"

say "half of the live traffic mirrored to green, and the answers compared"
"$apus" endpoint update -n filetype --mirror-traffic green=50 --query mirror_traffic -o yaml
compared=0 waited=0
while [ "$compared" -lt 20 ]; do
  [ "$waited" -lt 120 ] || fail "only $compared answers were compared in $waited s"
  sleep 1
  waited=$((waited + 1))
  # Before the first there is no report.
  compared=$("$apus" mirror report -e filetype --query compared_requests -o tsv --only-show-errors 2>/dev/null) || compared=0
done
"$apus" mirror report -e filetype -o table
# Both numbers of one report: the load goes on.
set -- $("$apus" mirror report -e filetype --query '[requests_with_other_labels, compared_requests]' -o tsv --only-show-errors)
echo "$1 of $2 answers name another kind of file"

say "the mirror off, and 10 % of the traffic to green"
"$apus" endpoint update -n filetype --mirror-traffic green=0 --traffic "blue=90 green=10" --query traffic -o yaml

say "the rest in watched steps; green going wrong would send all traffic back by itself"
"$apus" rollout start -e filetype -d green --steps 10 50 100 --hold "${HOLD:-5s}" --minimum-requests 5 \
  --max-latency-ratio 3 -o yaml --query '{state: state, percent: percent, reason: reason}'
"$apus" endpoint show -n filetype --query traffic -o yaml

say "and back, in one command"
"$apus" endpoint update -n filetype --traffic "blue=100 green=0" --query traffic -o yaml

say "what the load saw in all that time"
kill -INT "$load"
wait "$load" || fail "the load ended with $?: $(cat "$folder/load.txt")"
load=''
cat "$folder/load.txt"
failed=$(grep -o '"failed":[0-9]*' "$folder/load.json" | head -n 1 | cut -d: -f2)
[ "$failed" = 0 ] || fail "$failed requests failed"
echo
echo "done: no request failed"
