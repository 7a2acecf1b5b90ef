"""Words that exclude each other: enabled and disabled, before and after, red and white."""

# Words that exclude each other; within a group, "/" parts the sides and spaces the spellings.
OPPOSITES = """
high / low | slow slows slowed / speed speeds accelerate accelerates |
half halves halved / twice double doubles doubled | ignore ignores ignored / respect respects
respected honour honours honoured |
loud louder / quiet quieter silent | enable enables enabled enabling / disable disables disabled
disabling | before / after | increase increases increased increasing raise raises raised grow
grows / decrease decreases decreased decreasing reduce reduces reduced shrink shrinks lower lowers
lowered | allow allows allowed permit permits permitted / forbid forbids forbidden deny denies
denied prohibit prohibits prohibited disallow disallows disallowed block blocks blocked | accept
accepts accepted / reject rejects rejected refuse refuses refused | include includes included
including / exclude excludes excluded excluding | add adds added adding insert inserts inserted
append appends / remove removes removed removing delete deletes deleted deleting drop drops
dropped | open opens opened / close closes closed shut | start starts started starting begin
begins began begun / stop stops stopped stopping end ends ended finish finishes finished | first /
last | minimum min least lowest smallest fewest / maximum max most highest largest biggest | above
over exceeds / below under beneath | higher / lower | larger bigger greater / smaller | more /
less fewer | faster quicker / slower | longer / shorter | earlier sooner / later | newest latest
newer / oldest older | true / false | public / private | local locally / remote remotely |
synchronous synchronously / asynchronous asynchronously | import imports imported / export exports
exported | encrypt encrypts encrypted / decrypt decrypts decrypted | succeed succeeds succeeded
success successful successfully / fail fails failed failure unsuccessful | valid / invalid | safe
/ unsafe dangerous | secure / insecure | online / offline | left / right | top / bottom | upper /
lower | inside / outside | client clients client-side / server servers server-side | parent
parents / child children | ascending / descending | required mandatory compulsory / optional
optionally | mutable / immutable | inclusive / exclusive | explicit explicitly / implicit
implicitly | manual manually hand / automatic automatically | permanent permanently forever /
temporary temporarily | dynamic dynamically / static statically | sequential sequentially serial /
parallel | visible shown show shows displayed display displays / hidden hide hides invisible |
lock locks locked / unlock unlocks unlocked | connect connects connected / disconnect disconnects
disconnected | install installs installed / uninstall uninstalls uninstalled | with / without |
same identical / different | strong stronger / weak weaker | cheap cheaper / expensive | easy
easier / hard harder difficult | day daytime / night nighttime | morning / noon / evening / night
| hourly / daily / weekly / monthly / yearly annually | north northern / south southern / east
eastern / west western | white / black / red / green / blue / yellow / orange / purple / brown |
sender / receiver recipient | read-only / writable | supported / unsupported deprecated | known /
unknown | always / never / sometimes occasionally | often frequently / rarely seldom | publish
publishes published / withdraw withdraws withdrawn unpublish | hot warm / cold cool | dry / wet
moist humid | stable / unstable | push / pull | day days / week
weeks / month months / year years | monday / tuesday / wednesday / thursday / friday / saturday /
sunday | january / february / march / april / june / july / august / september / october /
november / december | keep keeps kept preserve preserves preserved retain retains / discard
discards discarded lose loses lost | forward / backward backwards | vertical vertically /
horizontal horizontally | rise rises / fall falls | win wins won / lose loses lost | buy bought /
sell sold | expand expands / collapse collapses | upload uploads uploaded / download downloads
downloaded | input / output | male / female | uppercase / lowercase | inbound incoming / outbound
outgoing | positive / negative | even / odd | nearest closest / farthest furthest | free / paid
"""
GROUPS: list[dict[str, int]] = [
    {word: side for side, words in enumerate(group.split("/")) for word in words.split()}
    for group in OPPOSITES.split("|")
]
GROUPS_OF: dict[str, list[int]] = {}
for number, group_ in enumerate(GROUPS):
    for word_ in group_:
        GROUPS_OF.setdefault(word_, []).append(number)
