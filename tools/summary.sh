#!/bin/sh
# For a job's summary, in Markdown: the committed metrics that differ from the revision $1, and the
# report's answers. A revision that this clone does not have, as before a first push, is HEAD^.
set -eu
base=${1:-HEAD^}
git cat-file -e "$base^{commit}" 2>/dev/null || base=HEAD^
echo "## Metrics that change"
echo
dvc metrics diff --md "$base" HEAD
echo
echo "## Answers"
echo
sed -n 's/^- \[\(.*\)\](#.*) \*\*/- \1 **/p' reports/report.md
