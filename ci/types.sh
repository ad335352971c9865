#!/usr/bin/env bash
# pyright, beside mypy: the package itself, a user's code in its strict mode, and that every public name has a type that all
# checkers see alike. Against the installed package. What must not type-check in a user's code is marked there, and a mark
# that nothing needs is an error; so is a lie, which is tried at the end.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
[ -x .venv/bin/pyright ] || { echo "types: no pyright in .venv: make check installs it" >&2; exit 1; }
export PATH=$root/.venv/bin:$PATH PYRIGHT_PYTHON_IGNORE_WARNINGS=1

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp tests/typing/api.py "$folder"
cp -r python/printk_ring "$folder/package"
cd "$folder"
cat >pyrightconfig.json <<EOF
{
    "venvPath": "$root", "venv": ".venv", "pythonVersion": "3.11",
    "typeCheckingMode": "standard", "strict": ["api.py"], "reportUnnecessaryTypeIgnoreComment": false
}
EOF
sed -i '1i # pyright: strict, reportUnnecessaryTypeIgnoreComment=true' api.py
sed 's/assert_type(pr.default_log(), pr.Log | None)/assert_type(pr.default_log(), pr.Log)/' api.py >lie.py
cmp -s api.py lie.py && { echo "types: the lie is none: api.py has changed" >&2; exit 1; }
pyright >told || true
if ! grep -q '/lie.py:.*(reportAssertTypeFailure)$' told; then
    echo "types: a wrong type went unnoticed" >&2
    cat told >&2
    exit 1
fi
grep -q '^1 error, 0 warnings' told || { cat told >&2; exit 1; }
pyright --verifytypes printk_ring --ignoreexternal >verified || { grep -v '^ *printk_ring' verified >&2; exit 1; }
echo "types: the package and its users type-check, all public types are known; a lie is refused"
