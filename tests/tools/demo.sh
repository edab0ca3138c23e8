#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The demonstration ends with its verdict, on a file given to it, and says so when it fails.
# shellcheck disable=SC2086 source=tests/lib.sh
. "$SOURCE/tests/lib.sh"

random $((6 << 20)) file
export TMPDIR=$work/tmp
mkdir "$TMPDIR"
expect 0 "$SOURCE/scripts/demo" "$BUILD" "$work/file"
has 'the demonstration succeeded' 'result          ok' '--resident 614K' 'op copy'
[ ! -s err ] || die 'something on standard error'
only "$TMPDIR"
# The picture is whole, and needs nothing but itself.
picture=$(sed -n 's/^A picture of these runs.*: //p' out)
python3 - "$picture" <<'END' || die 'the picture is not right'
import re, sys, xml.etree.ElementTree as tree
text = open(sys.argv[1]).read()
svg = tree.fromstring(text)
names = [part.tag.split('}')[1] for part in svg.iter()]
assert not {'script', 'image', 'foreignObject', 'a'} & set(names), names
assert re.findall(r'https?://[^"]*', text) == ['http://www.w3.org/2000/svg'], text[:300]
assert 'url(' not in text and '@import' not in text
assert 'prefers-color-scheme: dark' in text
words = ' '.join(part.text or '' for part in svg.iter())
for word in ('latency', 'faults over time', 'addresses over time', 'evictions', 'result ok'):
    assert words.count(word) >= 2, word
# How many bars and points it has depends on how long the runs took.
assert names.count('path') == 6 and names.count('rect') >= 3 and 'circle' in names, names
END

mkdir build
printf '#!/bin/sh\nexit 3\n' >build/iofault
chmod +x build/iofault
expect 1 "$SOURCE/scripts/demo" "$work/build" "$work/file"
has 'FAILED'
only "$TMPDIR"
expect 1 "$SOURCE/scripts/demo" "$BUILD" "$work/absent"

# A long run of many bytes: no figure has an exponent.
python3 - >long.json <<'END'
import json
print(json.dumps({
    'bytes': 1023 << 20, 'seconds': 9.12, 'faults': 999800, 'gb_per_s': 0.1, 'result': 'ok',
    'request_to_resume_ns': {'buckets': [[4096, 5], [5000, 1], [8192, 2]], 'p50': 999900, 'p99': 999900000000},
    'samples': {'columns': ['ns', 'faults', 'address', 'pasid_index', 'resident_bytes', 'evictions'],
                'rows': [[0, 0, 0, 0, 0, 0], [4000000000, 500, 4096, 1, 4096, 7],
                         [9120000000, 999800, 1023 << 20, 0, 1023 << 20, 99]]}}))
END
expect 0 "$SOURCE/scripts/demo-picture" long.svg title long.json
holds long.svg '1023 MiB in 9.12 s, 999,800 faults'
# A bar for each power of two beside the background, and a point for each sample.
[ "$(grep -o '<rect' long.svg | wc -l)" = 3 ] || die 'not two bars'
[ "$(grep -o '<circle' long.svg | wc -l)" = 3 ] || die 'not three points'
! grep -o '[0-9]e+[0-9].*' long.svg || die 'a figure has an exponent'

# What is no run, and what cannot be written.
echo '{}' >empty.json
for name in empty.json absent.json; do
	expect 1 "$SOURCE/scripts/demo-picture" out.svg title $name
	[ ! -e out.svg ] || die 'a picture of nothing'
done
expect 2 "$SOURCE/scripts/demo-picture" out.svg title
