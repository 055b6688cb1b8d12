#!/usr/bin/env bash
# In a job of GitHub, or in a shell with credentials of one account: start a state machine there and wait for how it ends.
# Usage: infra/start_machine.sh <kill-switch|model-rollback> <its input, as JSON>
set -euo pipefail

machine=$(aws ssm get-parameter --name "/mlife/triggers/$1-arn" --query Parameter.Value --output text)
execution=$(aws stepfunctions start-execution --state-machine-arn "$machine" --input "$2" --query executionArn --output text)
echo "$execution"
status=RUNNING
while [ "$status" = RUNNING ]; do
  sleep "${PAUSE_SECONDS:-5}"
  status=$(aws stepfunctions describe-execution --execution-arn "$execution" --query status --output text)
done
echo "$status"
test "$status" = SUCCEEDED
