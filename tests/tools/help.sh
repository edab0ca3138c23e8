#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Help, manual page and completion know the same options, and each option that they name exists.
# shellcheck disable=SC2086 source=tests/lib.sh
. "$SOURCE/tests/lib.sh"

for how in help --help -h; do
	expect 0 "$IOFAULT" $how
	has 'Usage: iofault' '  page' '  run' '  info'
done
for command in page run info; do
	expect 0 "$IOFAULT" $command --help
	has "Usage: iofault $command"
	mv out first
	expect 0 "$IOFAULT" help $command
	cmp first out || die 'two ways to ask, two answers'
	awk 'length > 90' out | grep . && die 'a wide line'
done
expect 0 "$IOFAULT" --version
grep -Eq '^iofault [0-9]+\.[0-9]+\.[0-9]+$' out || die 'no version'

"$IOFAULT" page --help | grep -o -- '^ *\(-[a-z], \)\?--[a-z0-9]*' | grep -o -- '--.*' | sort -u >options
[ "$(wc -l <options)" -ge 20 ] || die 'where are the options?'
sed 's/\\-/-/g' "$SOURCE/man/iofault.1" >page.1
while read -r option; do
	grep -q -- "$option\\b" page.1 || die "the manual page knows no $option"
	grep -q -- "$option\\b" "$SOURCE/completions/iofault" || die "completion knows no $option"
	# With =, those that take no value are refused by name, and so is most of what is empty.
	expect 2 "$IOFAULT" page "$option="
done <options
"$IOFAULT" run --help | grep -o -- '^  \(-[a-z], \)\?--[a-z0-9-]*' | grep -o -- '--.*' | sort -u >options.run
[ "$(wc -l <options.run)" -ge 6 ] || die 'where are the options of run?'
while read -r option; do
	grep -q -- "$option\b" page.1 || die "the manual page knows no $option"
	grep -q -- "$option\b" "$SOURCE/completions/iofault" || die "completion knows no $option"
	expect 125 "$IOFAULT" run "$option"
done < <(grep -v -e --help -e --check options.run)
cat options.run >>options
grep -oh -e '--[a-z][a-z0-9-]*' page.1 "$SOURCE/completions/iofault" | sort -u >named
printf '%s\n' --help --version >>options
while read -r option; do
	grep -qx -- "$option" options || die "$option is named, and there is none"
done <named
if command -v man >/dev/null; then
	[ -z "$(MANWIDTH=80 man --warnings -l "$SOURCE/man/iofault.1" 2>&1 >/dev/null)" ] ||
		die 'the manual page has errors'
fi

# Completion.
# shellcheck source=completions/iofault
. "$SOURCE/completions/iofault"
complete_line() {
	COMP_WORDS=("$@")
	COMP_CWORD=$(($# - 1))
	COMPREPLY=()
	_iofault
	echo "${COMPREPLY[*]}"
}
: >'a file'
[ "$(complete_line iofault p)" = page ] || die 'no page'
[ "$(complete_line iofault page --op f)" = fill ] || die 'no fill'
[ "$(complete_line iofault page --world k)" = kernel ] || die 'no kernel'
[ "$(complete_line iofault page --pasi)" = --pasids ] || die 'no --pasids'
[ "$(complete_line iofault page --pasids '')" = '' ] || die 'a number is invented'
[ "$(complete_line iofault page --op crc32c 'a ')" = 'a file' ] || die 'no file'
[ "$(complete_line iofault info --j)" = --json ] || die 'no --json'
[ "$(complete_line iofault r)" = run ] || die 'no run'
[ "$(complete_line iofault run --device a)" = ats-test ] || die 'no ats-test'
[ "$(complete_line iofault run --device dsa --mo)" = --mock ] || die 'no --mock'
[ "$(complete_line iofault run --mock -- cat 'a ')" = 'a file' ] || die 'no file of the program'
