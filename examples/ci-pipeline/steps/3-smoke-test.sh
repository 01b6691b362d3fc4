#!/bin/sh
# Asks the new deployment, and nobody else, a question with a known answer.
. "$(dirname "$0")/settings.sh"

printf 'int main(int argc, char **argv) {\n  printf("hello\\n");\n  return 0;\n}\n' >"$STATE/sample"
"$pipeline/../safe-rollout/features.sh" "$STATE/sample" >"$STATE/request.json"

answer=$(apus endpoint invoke -n "$endpoint" -d "$deployment" -r "$STATE/request.json" \
  --query "[model_version, to_string(length(outputs[0].data)), to_string(max(outputs[0].data) > \`0.5\`)]" -o tsv)
expected=$(printf '%s\n%s\n%s' "$deployment" "${LABELS:-214}" true)
[ "$(echo "$answer" | tr '\t' '\n')" = "$expected" ] || fail "expected '$expected', got '$answer'"
echo "$deployment answers, and is sure of its answer"
