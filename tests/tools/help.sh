#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Help, manual pages and completions know the same options, and each option that they name exists. The module's
# page has its parameters and attributes.
# shellcheck disable=SC2086 source=tests/lib.sh
. "$SOURCE/tests/lib.sh"

# text_of PAGE: the text of a manual page, with its dashes as they are typed.
text_of() {
	sed -e 's/\\-/-/g' -e 's/\\&//g' "$SOURCE/man/$1"
}

for how in help --help -h; do
	expect 0 "$IOFAULT" $how
	has 'Usage: iofault' '  page' '  run' '  doctor' '  info' '  bind' '  unbind'
done
# All that there are, so that a new command has to have all that follows.
commands=$(sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p' out | grep -vx help)
[ "$(wc -w <<<"$commands")" -ge 4 ] || die 'where are the commands?'
for command in $commands; do
	[ -e "$SOURCE/man/iofault-$command.1" ] || die "$command has no page"
	text_of iofault.1 | grep -q "\b$command\b" || die "iofault.1 does not have $command"
	holds "$SOURCE/completions/iofault" " $command"
	expect 0 "$IOFAULT" $command --help
	has "Usage: iofault $command"
	[ "$(wc -l <out)" -le 25 ] || die 'the help does not fit a screen'
	tail -n 1 out | grep -q "^Example: iofault $command " || die 'no example at the end'
	mv out first
	expect 0 "$IOFAULT" help $command
	cmp first out || die 'two ways to ask, two answers'
	awk 'length > 90' out | grep . && die 'a wide line'
done
expect 0 "$IOFAULT" help
[ "$(wc -l <out)" -le 25 ] || die 'the help does not fit a screen'
tail -n 1 out | grep -q '^Example: ' || die 'no example at the end'
expect 0 "$IOFAULT" --version
grep -Eq '^iofault [0-9]+\.[0-9]+\.[0-9]+$' out || die 'no version'

# Each option of a command is in its page and in the completion for each shell, and each one there is an option.
for command in $commands; do
	"$IOFAULT" $command --help | grep -o -- '--[a-z][a-z0-9-]*' | sort -u >options
	[ "$(wc -l <options)" -ge 1 ] || die 'where are the options?'
	# recipes have options of other programs
	text_of iofault-$command.1 | sed '/^\.SS Recipes/,/^\.SH/d' >page
	sed -n "/^_iofault_$command()/,/^}/p" "$SOURCE/completions/_iofault" >zsh
	grep "__iofault_is $command'" "$SOURCE/completions/iofault.fish" >fish
	while read -r option; do
		for file in page zsh "$SOURCE/completions/iofault"; do
			grep -q -- "$option\b" "$file" || die "$command: $file does not have $option"
		done
		grep -q -- "-l ${option#--}\b" fish || die "$command: fish does not complete $option"
	done <options
	echo --version >>options
	grep -oh -e '--[a-z][a-z0-9-]*' page zsh | sort -u >named
	sed -n 's/.* -l \([a-z0-9-]*\).*/--\1/p' fish >>named
	while read -r option; do
		grep -qx -- "$option" options || die "$command: $option is named, and there is none"
	done <named
	cp options options.$command
done
while read -r option; do
	# With =, those that take no value are refused by name, and so is most of what is empty.
	expect 2 "$IOFAULT" page "$option="
done <options.page
while read -r option; do
	expect 125 "$IOFAULT" run "$option"
done < <(grep -v -e --help -e --check -e --version options.run)
cat options.* >options
while read -r option; do
	grep -qx -- "$option" options || die "$option is completed, and there is none"
done < <(grep -oh -e '--[a-z][a-z0-9-]*' "$SOURCE/completions/iofault")
conformance=$BUILD/tests/abi/iofault-conformance
if [ -x "$conformance" ]; then
	"$conformance" --help | grep -o -- '--[a-z][a-z0-9-]*' >options
	text_of iofault-conformance.1 >page
	while read -r option; do
		grep -q -- "$option\b" page || die "iofault-conformance.1 does not have $option"
	done <options
fi

# Each parameter and each attribute of a module is in its page, and each one there exists.
# parameters PAGE LEAST FOLDER: LEAST or more parameters of the sources in FOLDER, and those of the page.
parameters() {
	sed -n 's/^module_param\(_array\|_string\)\?(\([a-z_]*\),.*/\2/p; s/^IOF_LIST(\([a-z_]*\),.*/\1/p' \
		"$SOURCE/$3"/*.c | sort >parameters
	[ "$(wc -l <parameters)" -ge "$2" ] || die "where are the parameters of $3?"
	text_of "$1" | sed -n 's/^\.BI \([a-z_]*\)= .*/\1/p' | sort >named
	cmp parameters named || die "$1 does not have the parameters: $(diff parameters named)"
}
parameters iofault.4 9 kernel
parameters iofault-pci.4 3 hw
sed -n 's/^\(static DEVICE_ATTR_RO\|IOF_SHOW\)(\([a-z_]*\));$/\2/p' "$SOURCE/kernel/devices.c" >attributes
[ "$(wc -l <attributes)" -ge 6 ] || die 'where are the attributes?'
text_of iofault.4 | sed -n '/^\.SH SYSFS/,/^\.SH FILES/p' >page
while read -r attribute; do
	grep -q "^\.I.*\b$attribute\b" page || die "iofault.4 does not have the attribute $attribute"
done <attributes

# Each page is well formed, has an example if it is a command's, and each command line of an example is right.
for page in "$SOURCE"/man/*.[1-8]; do
	name=${page##*/}
	if command -v man >/dev/null; then
		[ -z "$(MANWIDTH=80 man --warnings -l "$page" 2>&1 >/dev/null)" ] || die "$name has errors"
	fi
	grep -qF "'$name'" "$SOURCE/man/meson.build" || die "$name is not installed"
	[[ $name = *.7 ]] || grep -q '^\.SH EXAMPLES' "$page" || die "$name has no example"
done

# The command lines of the examples: options are known, files are absent. With an unknown option, and with an absent file,
# each is refused in one line.
one_line() {
	complains "$@"
	[ ! -s out ] || die 'standard output is not empty'
}
tried=0
for page in "$SOURCE"/man/*.[1-8]; do
	while read -r program command rest; do
		[ "$program" = iofault ] || continue
		tried=$((tried + 1))
		wrong=2
		[ "$command" != run ] || wrong=125
		expect $wrong "$IOFAULT" "$command" --moon $rest
		one_line moon
		case $command in
		info) expect 0 "$IOFAULT" info $rest ;;
		doctor) [ "$("$IOFAULT" doctor $rest >out 2>err || echo $?)" != 2 ] || die "$page: $rest" ;;
		run)
			"$IOFAULT" run --check >/dev/null || continue
			expect 127 "$IOFAULT" run $rest
			[ "$(grep -c '^iofault' err)" -eq 1 ] || die 'an absent program, and not one message'
			;;
		page)
			expect 1 "$IOFAULT" page $rest
			complains
			;;
		# Others change the machine.
		*) [ -e "options.$command" ] || die "$page: there is no command $command" ;;
		esac
	done < <(sed -n '/^\.SH EXAMPLES/,$s/^\.B \(iofault [^|]*\).*/\1/p' "$page" | sed 's/\\-/-/g')
done
[ "$tried" -ge 8 ] || die "only $tried examples"
of_conformance() {
	says "$@"
	[ "$(wc -l <err)" -eq 1 ] || die 'the error is not one line'
	grep -q '^iofault-conformance: ' err || die 'the error does not say whose it is'
	[ ! -s out ] || die 'standard output is not empty'
}
if [ -x "$conformance" ]; then
	while read -r _ rest; do
		expect 2 "$conformance" --moon $rest
		of_conformance moon
		tried=$((tried + 1))
	done < <(text_of iofault-conformance.1 | sed -n '/^\.SH EXAMPLES/,$s/^\.B \(iofault-conformance .*\)/\1/p')
	expect 2 "$conformance" --world moon
	of_conformance moon
	expect 2 "$conformance" --world
	of_conformance --world
	expect 2 "$conformance" moon
	of_conformance moon
	expect 0 "$conformance" --help
	[ "$(wc -l <out)" -le 25 ] || die 'the help does not fit a screen'
	tail -n 1 out | grep -q '^Example: ' || die 'no example at the end'
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
[ "$(complete_line iofault doctor k)" = kernel ] || die 'no kernel'
[ "$(complete_line iofault bind --f)" = --force ] || die 'no --force'
[ "$(complete_line iofault r)" = run ] || die 'no run'
[ "$(complete_line iofault run --device a)" = ats-test ] || die 'no ats-test'
[ "$(complete_line iofault run --device dsa --mo)" = --mock ] || die 'no --mock'
[ "$(complete_line iofault run --mock -- cat 'a ')" = 'a file' ] || die 'no file of the program'

if command -v fish >/dev/null; then
	fish_completes() {
		XDG_CONFIG_HOME=$work fish --no-config -c "source '$SOURCE/completions/iofault.fish'; complete -C '$1'" |
			cut -f 1 | grep -qx -- "$2" || die "fish does not complete '$1' to '$2'"
	}
	fish_completes 'iofault in' info
	fish_completes 'iofault page --op f' fill
	fish_completes 'iofault page --pasi' --pasids
	fish_completes 'iofault page --op crc32c a' 'a file'
	fish_completes 'iofault run --device a' ats-test
	fish_completes 'iofault run --mock --memlock 8M -- cat a' 'a file'
	fish_completes 'iofault run --mock c' cat
fi
if command -v zsh >/dev/null; then
	zsh -n "$SOURCE/completions/_iofault" || die 'the completion for zsh has errors'
fi
