#!/usr/bin/env bash
# planted.sh: tests that are said to find mistakes do find them. One mistake at a time is planted in a copy of the crates:
#   in what the ring decides, for the property test against the plain model (what the vectors say is told, too);
#   in what the dead and the stopped leave to others, for the loops over crash points (the tests of the crate itself);
#   in how the halves of the head are loaded, for the test that replaces them after each instruction;
#   in what a first look at a record may pass over, for the test that holds it to a close look;
#   in what keeps readers of hostile bytes within bounds, for the property tests that are the twins of fuzz/.
# planted.sh --short: a few of each, without the vectors. In `make check`.
# Mistakes of order and timing are planted by loom.sh and by `stress.sh --broken`.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PLANTED=$PWD/target/planted PLANTED_TARGET=$(realpath -m "${CARGO_TARGET_DIR:-target}")   # for plant.sh
source ci/plant.sh
mode=${1:-}
out=$PLANTED/out
found=0 places_only=no

# A failure is wanted, not the shortest example of one.
export PROPTEST_MAX_SHRINK_ITERS=0 RUST_BACKTRACE=0

# fails CRATE TEST: whether this test (`lib`: those inside the crate) comes to its end, and fails.
fails() {
    local crate=pr-$1 test=$2 which=(--test "$2")
    [ "$test" != lib ] || which=(--lib)
    if ! planted_cargo 300 test --quiet --package "$crate" "${which[@]}" --no-run >"$out" 2>&1; then
        echo "planted: $crate does not compile:" >&2
        tail -n 30 "$out" >&2
        exit 1
    fi
    ! planted_cargo 180 test --quiet --package "$crate" "${which[@]}" >"$out" 2>&1 || return 1
    if ! grep -q '^test result: FAILED' "$out"; then
        echo "planted: $test did not come to its end with: ${name:-no mistake}" >&2
        tail -n 30 "$out" >&2
        exit 1
    fi
}

# mistake CRATE TEST NAME (FILE OLD NEW)...: this test must find it.
mistake() {
    local crate=$1 test=$2 name=$3 others=''
    shift 3
    plant "$@" || exit 1
    found=$((found + 1))
    [ "$places_only" = no ] || return 0
    fails "$crate" "$test" || { echo "planted: $test did not find: $name" >&2; exit 1; }
    if [ "$test" = model ] && [ "$mode" != --short ]; then
        if fails "$crate" vectors; then others=', and by the vectors'; else others=', not by the vectors'; fi
    fi
    echo "planted: found by $test$others: $name"
}

few() {
    mistake ring model "a descriptor is left unused" \
        ring/src/writer.rs '>= self.descriptors() - 1' '>= self.descriptors() - 2'
    mistake ring model "a block that ends exactly at the end of the ring wraps" \
        ring/src/blocks.rs 'if bytes <= rest {' 'if bytes < rest {'
    mistake ring model "reopening asks for no caller" \
        ring/src/reopen.rs '|| wrote != caller' ''
    mistake ring model "a lost record takes no number" \
        ring/src/writer.rs 'Room::None => (no_text(head), true),' 'Room::None => return Err(Refused::Text),'
    mistake ring model "a reader does not jump to the tail" \
        ring/src/reader.rs 'id = id.max(oldest).max(DescId(1));' 'id = id.max(DescId(1));'
    mistake ring model "empty and lost are mixed up" \
        ring/src/slots.rs '} else if begin == EMPTY {' '} else if begin == LOST {'
    mistake ring hostile "a text may be longer than its block" \
        ring/src/reader.rs 'if u64::from(text_len) > place.capacity {' 'if false {'
    mistake ring first_look "old text at the end of the ring is taken for a block that lies at its beginning" \
        ring/src/memory.rs 'if room > last - header || ' 'if '
    mistake record hostile "a length is trusted" \
        record/src/cursor.rs 'let (area, rest) = self.rest.split_at_checked(n)?;' 'let (area, rest) = self.rest.split_at(n);'
}

rest() {
    mistake ring model "in an empty ring the next record is the second" \
        ring/src/reader.rs 'let mut id = DescId::of(from).max(source.tails()?.tail).max(DescId(1));' \
        'let mut id = DescId::of(from).max(source.tails()?.tail).max(DescId(2));'
    mistake ring model "text that does not fit is not cut" \
        ring/src/writer.rs 'let data = data.get(..room).unwrap_or(data);' ''
    mistake ring model "a text is said to be longer than its room" \
        ring/src/ticket.rs 'len.min(u32::try_from(self.capacity).unwrap_or(u32::MAX))' 'len'
    mistake ring model "a short buffer shortens the record" \
        ring/src/reader.rs 'Look::Found(info_of(id, &contents, torn), copied)' \
        'Look::Found(RecordInfo { text_len: copied as u32, ..info_of(id, &contents, torn) }, copied)'
    mistake ring model "the largest text is refused" \
        ring/src/blocks.rs 'size > self.max_text()' 'size >= self.max_text()'
    mistake ring model "a block has no room for its header" \
        ring/src/blocks.rs 'Some((size + HEADER_BYTES + 7) & !7)' 'Some((size + 7) & !7)'
    mistake ring model "a lost record belongs to its caller" \
        ring/src/writer.rs 'return Err(self.lose(slot, id, info.owner));' \
        '{ let why = self.lose(slot, id, info.owner); slot.caller_id.set(info.caller_id); return Err(why); }'
    mistake ring model "a refusal for want of a descriptor is not counted" \
        ring/src/writer.rs 'self.counters().fail.count(1);' ''
    mistake ring model "a refused reserve does not drop the oldest record" \
        ring/src/recycle.rs 'self.tails().tail_id.mark(tail.0 << 1, tail.0 << 1 | 1);' ''
    mistake ring model "the tail moves onto an unfinished record" \
        ring/src/recycle.rs 'if !self.is_final(to) {' 'if false {'
    mistake ring model "where text ends is not told although the tail has none" \
        ring/src/recycle.rs 'if !self.slot(to).has_text() {' 'if false {'
    mistake ring model "the text at the tail is dropped because its position was not told" \
        ring/src/recycle.rs 'if !satisfied && begin >= need => {' 'if false => {'
    mistake ring model "text that went with its descriptors counts as used" \
        ring/src/recycle.rs 'told.max(begin)' 'told'
    mistake ring model "open text is dropped" \
        ring/src/recycle.rs 'Stage::Reserved => return Obstacle::Open,' 'Stage::Reserved => {}'
    mistake ring model "a committed record is readable before it is final" \
        ring/src/reader.rs 'mode == Unfinished::Skip && state == State::new(id, Stage::Committed)' 'state == State::new(id, Stage::Committed)'
    mistake ring model "a reserve does not finalize its predecessor" \
        ring/src/writer.rs 'if before.reopenable {' 'if false {'
    mistake ring model "finalizing the last leaves it unfinished" \
        ring/src/commit.rs '&& self.finalize_committed(head.id)' ''
    mistake ring model "a record without room for more stays empty" \
        ring/src/reopen.rs 'self.store_span(slot, ticket.id, Span::Lost);' ''
    mistake ring model "a record that may grow to its bound is refused" \
        ring/src/reopen.rs 'if total > max_size {' 'if total >= max_size {'
    mistake ring model "a block shrinks" \
        ring/src/reopen.rs 'if longer <= next {' 'if longer == next {'
    mistake ring model "text that wraps when it grows stays behind" \
        ring/src/reopen.rs '&& old.text != new.text' '&& false'
    mistake ring model "dropped text is still shown" \
        ring/src/reader.rs 'Span::Block { .. } => id < tails.retired,' 'Span::Block { .. } => false,'

    mistake ring finalized_meanwhile "a record that was extended while it was copied is taken as it is" \
        ring/src/reader.rs 'Ok(source.contents(slot)? != *contents)' 'Ok(false)'
    mistake ring finalized_meanwhile "one that was extended while it was copied is passed over, and not looked at again" \
        ring/src/reader.rs 'Look::Not(Missing::Gone | Missing::Extended)' 'Look::Not(Missing::Gone)'
    mistake ring finalized_meanwhile "one that is extended again and again is passed over without a word" \
        ring/src/reader.rs 'Missing::Unfinished | Missing::Extended) => unfinished += 1' 'Missing::Unfinished) => unfinished += 1, Look::Not(Missing::Extended) => {}'
    mistake ring first_look "a first look does not ask whether the record is below the tail" \
        ring/src/live.rs '|| id < tails.tail ||' '||'
    mistake ring first_look "a first look does not ask whether the text was dropped" \
        ring/src/live.rs ' || id < tails.retired {' ' {'
    mistake ring first_look "a first look does not compare the block's header" \
        ring/src/live.rs 'if header != id.0 ||' 'if'
    mistake ring first_look "a first look takes an unfinished record" \
        ring/src/live.rs 'if state != State::new(id, Stage::Finalized) {' 'if state.query(id) == Query::Older {'
    mistake ring first_look "a first look takes a block that ends within a word" \
        ring/src/live.rs 'if next.0 & 7 != 0 {' 'if false {'
    mistake ring first_look "a first look takes a block that is longer than half of the ring" \
        ring/src/memory.rs ' || !is_possible {' ' {'
    mistake ring first_look "a first look takes a text that is longer than its block" \
        ring/src/memory.rs '|| to.len() as u64 > room ||' '||'
    mistake ring first_look "a first look finds text where there is no room for any" \
        ring/src/memory.rs '0 => 0,' '0 => geometry.data_bytes() - 8,'

    mistake ring lib "who comes late to finalize does not look" \
        ring/src/commit.rs 'word.get() == committed && word' '(word.set(finalized), true).1 && word'
    mistake ring lib "a writer does not say which number it wants" \
        ring/src/writer.rs 'self.announcements().announce(cell, owner, head.id.next());' ''
    mistake ring lib "a writer that has lost a number does not say which one it wants next" \
        ring/src/writer.rs 'self.announcements().announce(cell, owner, head.id.next());' \
        'if backoff.0 == 0 { self.announcements().announce(cell, owner, head.id.next()); }'
    mistake ring lib "a reaper goes by the last owner of a slot" \
        ring/src/reap.rs 'let Some(owner) = self.announcements().dead_winner(id, is_dead) else {' 'let Some(owner) = Some(slot.owner.get()) else {'
    mistake ring lib "a reaper does not look again at what a writer did before it died" \
        ring/src/reap.rs 'if slot.state.get() != state.0 {' 'if false {'
    mistake ring lib "a reaper counts what the one before it, which died, has counted" \
        ring/src/reaper.rs 'if self.counted.get() != id.0 {' '{'

    mistake ring pair "the id is not looked at again when the position was loaded" \
        ring/src/sync/pair_x86_64.rs 'if self.high.load(Ordering::Relaxed) == high {' 'if true {'
    mistake ring pair "the position is loaded before the id" \
        ring/src/sync/pair_x86_64.rs 'let high = self.high.load(acquire("pair:A").0);
            // ORD(pair:B): before the re-check, or a position from afterwards could be.
            let low = self.low.load(acquire("pair:B").0);' \
        'let low = self.low.load(acquire("pair:B").0);
            let high = self.high.load(acquire("pair:A").0);'

    mistake ring hostile "a block may lie behind the ring's end" \
        ring/src/blocks.rs 'let span = next.0.wrapping_sub(begin.0);
        let index = begin.0 & (self.size - 1);
        let rest = self.size - index;' 'let span = next.0.wrapping_sub(begin.0);
        let index = begin.0 & (self.size * 2 - 1);
        let rest = self.size * 2 - index;'
    mistake ring hostile "a block may be longer than half of the ring" \
        ring/src/blocks.rs 'capacity.wrapping_sub(1) >= self.max_text() {' 'capacity.wrapping_sub(1) >= u64::MAX - 16 {'
    mistake ring hostile "a reader walks until the ids end" \
        ring/src/reader.rs 'if is_beyond || passed > descriptors || looks > source.most_looks() {' 'if false {'
    mistake ring hostile "the search for the next number walks until the ids end" \
        ring/src/reader.rs 'while id <= newest && steps <= source.geometry().descriptors() {' 'while id <= newest {'
    mistake record hostile "a size is trusted" \
        record/src/cursor.rs 'self.take(usize::from(size))' '{ let (area, rest) = self.rest.split_at(usize::from(size)); self.rest = rest; Some(area) }'
    mistake record hostile "lists may be nested without end" \
        record/src/cursor.rs 'Cursor::new(self.sized()?).check_values(depth.checked_sub(1)?)' 'Cursor::new(self.sized()?).check_values(depth)'
    mistake record hostile "what is in a list is not looked at" \
        record/src/cursor.rs 'Cursor::new(self.sized()?).check_values(depth.checked_sub(1)?)' 'self.sized().map(|_| ())'
    mistake record hostile "a key may be anything" \
        record/src/cursor.rs 'if !is_text(key) {' 'if false {'
    mistake record hostile "a text may be anything" \
        record/src/cursor.rs 'is_text(self.bytes()?).then_some(())' 'self.bytes().map(|_| ())'
}

plant_lay_out ring record
# Without a mistake there is nothing to find, or what follows proves nothing.
for test in 'ring model' 'ring vectors' 'ring first_look' 'ring finalized_meanwhile' 'ring lib' 'ring pair' 'ring hostile' 'record hostile'; do
    # shellcheck disable=SC2086  # two words
    ! fails $test || { echo "planted: $test fails without a mistake:" >&2; tail -n 30 "$out" >&2; exit 1; }
done
few
if [ "$mode" = --short ]; then
    echo "planted: all $found mistakes are found"
    # The others can still be planted: whoever changes a line that they stand for has to know.
    places_only=yes
    rest
    ci/stress.sh --places
    ci/fuzz.sh --places
    echo "planted: with those that have their places, $found; and those of stress.sh and fuzz.sh"
else
    rest
    echo "planted: all $found mistakes are found"
fi
