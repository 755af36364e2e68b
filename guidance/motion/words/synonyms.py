"""Groups of words with nearly the same meaning in descriptions of motions."""

from __future__ import annotations

from guidance.motion.words.stems import stem

#: The first word of a line is the one that labels and paraphrases use most.
GROUPS = """\
walk stroll stride amble saunter wander march tread hike
run sprint dash race rush bolt gallop
jog trot
jump leap hop bound spring
hurl throw toss fling lob pitch chuck
punch box strike fist hit slug
kick boot
wave greet greeting hello goodbye farewell hi bye
clap applaud applause
bow curtsy
sneak creep prowl tiptoe stealth stealthily
fall tumble topple trip stumble
collapse faint swoon
sleep nap doze slumber snooze
sit seat seated
chair armchair bench sofa couch stool
crouch squat duck
crawl slither creep
push shove
pull drag haul tug yank
lift raise hoist
talk speak chat converse conversation discuss lecture
think ponder contemplate wonder reflect muse
shrug shoulder
cheer celebrate celebration rejoice hooray triumph victory win
dance groove boogie
drink sip gulp swallow
eat chew bite munch
phone telephone call smartphone cellphone mobile
read book newspaper novel
spin twirl rotate pirouette whirl
turn rotate pivot
stretch limber
exercise workout training gym
cry weep sob tears
laugh giggle chuckle
shiver tremble shudder freeze cold
pray prayer worship
point indicate
salute
climb scale ascend ladder
swim breaststroke freestyle
fly soar glide
sword blade saber katana fence
pistol gun handgun revolver firearm
shoot fire
defend block parry guard shield
angry furious mad rage rag anger
tired exhausted weary fatigue worn
stagger wobble sway drunk dizzy
limp hobble injured
fix repair mend
stand idle wait still
refuse reject decline deny
kneel knee genuflect
hug embrace cuddle
magic spell wizard sorcerer
car truck vehicle
pick grab snatch
type keyboard computer
stomp stamp
skip prance frolic
"""


def _table() -> dict[str, frozenset[str]]:
    table: dict[str, set[str]] = {}
    for line in GROUPS.splitlines():
        group = {stem(word) for word in line.split()}
        for word in group:
            table.setdefault(word, set()).update(group - {word})
    return {word: frozenset(others) for word, others in table.items()}


SYNONYMS = _table()
