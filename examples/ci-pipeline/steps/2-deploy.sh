#!/bin/sh
# Adds this run's deployment. It gets no traffic; the command ends when the deployment has shown itself ready.
. "$(dirname "$0")/settings.sh"

apus deployment create -f "$pipeline/deployment.yml" -n "$deployment" ${MODEL:+--set model.path="$MODEL"} --exist-ok
apus deployment show -n "$deployment" -e "$endpoint" -o table
