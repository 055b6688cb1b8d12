#!/usr/bin/env bash
# In a job of GitHub: take a role of one account by the job's own identity, for the steps that follow.
# Usage: infra/take_role.sh <dev|staging|prod|delivery|witness> <role> [seconds, 3600 where nothing is said]
set -euo pipefail
cd "$(dirname "$0")/.."

account=$(sed -n "s/^  $1: \"\([0-9]\{12\}\)\".*/\1/p" infra/parameters/accounts.yaml)
region=$(sed -n 's/^region: //p' infra/parameters/accounts.yaml)
test -n "$account" || { echo "infra/parameters/accounts.yaml has no account $1" >&2; exit 1; }

# GitHub's word for which environment this job is of lives for minutes, so it is exchanged at once.
token=$(curl --fail --silent --show-error --header "Authorization: bearer $ACTIONS_ID_TOKEN_REQUEST_TOKEN" \
  "$ACTIONS_ID_TOKEN_REQUEST_URL&audience=sts.amazonaws.com" | jq --raw-output --exit-status .value)
echo "::add-mask::$token"
taken=$(aws sts assume-role-with-web-identity --region "$region" --role-arn "arn:aws:iam::$account:role/mlife/$2" \
  --duration-seconds "${3:-3600}" --role-session-name "github-$GITHUB_RUN_ID" --web-identity-token "$token" --query Credentials --output json)
for pair in AWS_ACCESS_KEY_ID=AccessKeyId AWS_SECRET_ACCESS_KEY=SecretAccessKey AWS_SESSION_TOKEN=SessionToken; do
  value=$(jq --raw-output --exit-status ".${pair#*=}" <<<"$taken")
  echo "::add-mask::$value"
  echo "${pair%%=*}=$value" >>"$GITHUB_ENV"
done
{ echo "AWS_REGION=$region"; echo "AWS_DEFAULT_REGION=$region"; echo "ACCOUNT_ID=$account"; } >>"$GITHUB_ENV"
