#!/bin/sh
# Gives the new deployment all the traffic: at once where it is the first, else in watched steps.
. "$(dirname "$0")/settings.sh"

if [ -z "$(cat "$STATE/traffic-before")" ] || [ "$(cat "$STATE/traffic-before")" = "$deployment=100" ]; then
  apus endpoint update -n "$endpoint" --traffic "$deployment=100"
else
  # Ends with 1 when the server saw a bound broken and sent the traffic back, or too few callers came to judge by.
  apus rollout start -e "$endpoint" -d "$deployment" --steps ${STEPS:-10 50 100} --hold "${HOLD:-1m}" \
    --minimum-requests "${MINIMUM_REQUESTS:-20}" --step-timeout "${STEP_TIMEOUT:-30m}"
fi
apus endpoint show -n "$endpoint" --query traffic -o yaml
