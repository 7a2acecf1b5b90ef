"""Answers about the material of several courses.

Written before the ledger had seen any of them; what it gets wrong stands at the end.
"""

PAGES = {
    "leaf.md": (
        "# Photosynthesis\n\n## Light reactions\n\nThe light reactions take place in the "
        "thylakoid membranes of the chloroplast. Water is split, and oxygen is released as a "
        "by-product. Chlorophyll a absorbs mainly blue and red light and reflects green light. "
        "For every two molecules of water one molecule of oxygen is formed. The products ATP "
        "and NADPH are used in the Calvin cycle.\n"
    ),
    "calvin.md": (
        "# Photosynthesis\n\n## Calvin cycle\n\nThe Calvin cycle takes place in the stroma and "
        "does not need light directly. The enzyme RuBisCO fixes carbon dioxide. Six turns of "
        "the cycle produce one molecule of glucose. At high temperatures RuBisCO binds oxygen "
        "more often, which lowers the yield; this is called photorespiration. C4 plants such "
        "as maize avoid it by concentrating carbon dioxide.\n"
    ),
    "canal.md": (
        "# Engineering history\n\n## Suez Canal\n\nConstruction of the Suez Canal began in "
        "1859 under Ferdinand de Lesseps and took ten years. The canal was opened on 17 "
        "November 1869. It is about 193 km long and, unlike the Panama Canal, has no locks. "
        "Before it was widened, large tankers had to sail around Africa. Egypt nationalised "
        "the canal in 1956.\n"
    ),
    "bread.md": (
        "# Baking\n\n## Sourdough\n\nA sourdough starter is fed with equal weights of flour "
        "and water once a day. Below 4 °C it rests and needs food only once a week. The dough "
        "rises for 8 to 12 hours before it is shaped. Salt slows the yeast down, so it is "
        "added after the first rest of 30 minutes. Most loaves are baked at 230 °C for 45 "
        "minutes.\n"
    ),
    "law.md": (
        "# Tenancy\n\n## Deposit\n\nThe deposit may not exceed three months' rent without "
        "utilities. The landlord must keep it apart from their own assets. Tenants may pay it "
        "in three equal instalments, the first of which is due at the beginning of the "
        "tenancy. It has to be paid back within six months after the tenant has moved out, "
        "unless claims are still open.\n"
    ),
    "vote.md": (
        "# Elections\n\n## Postal voting\n\nEvery voter may vote by post without giving a "
        "reason. Applications must arrive by 6 p.m. on the Friday before the election. The "
        "ballot paper is put into the blue envelope, which is put into the red one together "
        "with the signed declaration. Letters that arrive after the polls have closed are not "
        "counted.\n"
    ),
}  # fmt: skip

QUESTION = (
    "What about light reactions, the Calvin cycle, the Suez Canal, sourdough, the "
    "deposit and postal voting?"
)

UNSUPPORTED: dict[str, list[str]] = {
    "a mixture": [
        "The light reactions take place in the stroma {Light reactions}.",
        "Oxygen is split, and water is released as a by-product {Light reactions}.",
        "Chlorophyll a absorbs mainly green light {Light reactions}.",
        "For every two molecules of water, two molecules of oxygen are formed {Light reactions}.",
        "Carbon dioxide is released in the light reactions {Light reactions}.",
        "The Calvin cycle needs light directly {Calvin cycle}.",
        "Three turns of the cycle produce one molecule of glucose {Calvin cycle}.",
        "At low temperatures RuBisCO binds oxygen more often {Calvin cycle}.",
        "C3 plants such as maize avoid photorespiration {Calvin cycle}.",
        "Photorespiration raises the yield {Calvin cycle}.",
        "Construction of the Suez Canal began in 1869 and took ten years {Suez Canal}.",
        "The canal was opened on 17 November 1859 {Suez Canal}.",
        "Like the Panama Canal, the Suez Canal has locks {Suez Canal}.",
        "The Suez Canal is about 193 miles long {Suez Canal}.",
        "Britain nationalised the canal in 1956 {Suez Canal}.",
        "After it was widened, large tankers had to sail around Africa {Suez Canal}.",
        "A sourdough starter is fed with twice as much flour as water {Sourdough}.",
        "Above 4 °C it rests and needs food only once a week {Sourdough}.",
        "Salt speeds the yeast up {Sourdough}.",
        "Salt is added before the first rest of 30 minutes {Sourdough}.",
        "All loaves are baked at 230 °C for 45 minutes {Sourdough}.",
        "Most loaves are baked at 230 °F for 45 minutes {Sourdough}.",
        "The deposit may exceed three months' rent {Deposit}.",
        "The deposit may not exceed six months' rent {Deposit}.",
        "The landlord may keep it apart from their own assets {Deposit}.",
        "Landlords may pay it in three equal instalments {Deposit}.",
        "The last instalment is due at the beginning of the tenancy {Deposit}.",
        "Voters must give a reason to vote by post {Postal voting}.",
        "Applications must arrive by 8 p.m. on the Friday before the election {Postal voting}.",
        "Applications must arrive by 6 p.m. on the Sunday before the election {Postal voting}.",
        "The ballot paper is put into the red envelope, which is put into the blue one {Postal "
        "voting}.",
        "Letters that arrive after the polls have closed are counted {Postal voting}.",
        "Letters that arrive before the polls have closed are not counted {Postal voting}.",
        "Only voters who are abroad may vote by post {Postal voting}.",
    ],
}

GOOD: dict[str, list[str]] = {
    "a mixture": [
        "In the light reactions, water is split and oxygen is given off {Light reactions}.",
        "The thylakoid membranes are where the light reactions happen {Light reactions}.",
        "Chlorophyll a mostly absorbs red and blue light, while green light is reflected "
        "{Light reactions}.",
        "Two water molecules yield one oxygen molecule {Light reactions}.",
        "ATP and NADPH from the light reactions drive the Calvin cycle {Light reactions}.",
        "Light is not directly required for the Calvin cycle {Calvin cycle}.",
        "It takes six turns of the Calvin cycle to make one glucose molecule {Calvin cycle}.",
        "Carbon dioxide is fixed by RuBisCO {Calvin cycle}.",
        "When it is hot, RuBisCO binds oxygen more often and the yield falls {Calvin cycle}.",
        "Maize, a C4 plant, avoids photorespiration by concentrating carbon dioxide {Calvin "
        "cycle}.",
        "The Suez Canal was built from 1859 to 1869 under Ferdinand de Lesseps {Suez Canal}.",
        "On 17 November 1869 the canal was opened {Suez Canal}.",
        "The Suez Canal has no locks and is some 193 kilometres long {Suez Canal}.",
        "In 1956 the canal was nationalised by Egypt {Suez Canal}.",
        "Large tankers had to go around Africa until the canal was widened {Suez Canal}.",
        "Feed the starter once a day with the same weight of flour and of water {Sourdough}.",
        "In the cold, below 4 °C, feeding it once a week is enough {Sourdough}.",
        "Because salt slows down the yeast, add it only after the first rest of half an hour "
        "{Sourdough}.",
        "Bake most loaves for 45 minutes at 230 °C {Sourdough}.",
        "Let the dough rise for 8–12 hours before shaping it {Sourdough}.",
        "A deposit of more than three months' rent is not allowed {Deposit}.",
        "At most three months' rent may be asked as a deposit {Deposit}.",
        "The landlord has to keep the deposit separate from their own money {Deposit}.",
        "Tenants can pay the deposit in three instalments of the same size {Deposit}.",
        "The first instalment is due when the tenancy begins {Deposit}.",
        "After moving out, the tenant gets it back within six months {Deposit}.",
        "No reason is needed to vote by post {Postal voting}.",
        "You have to apply by 6 p.m. on the Friday before the election {Postal voting}.",
        "The blue envelope with the ballot paper goes into the red envelope, with the signed "
        "declaration {Postal voting}.",
        "Letters that come after the polls close do not count {Postal voting}.",
    ],
}

# Wrong, and not found to be so.
MISSED = {
    "Carbon dioxide is released in the light reactions {Light reactions}.",
    "The light reactions take place in the stroma {Light reactions}.",
    "Britain nationalised the canal in 1956 {Suez Canal}.",
}

# Sound, and called unsupported all the same.
FLAGGED: set[str] = set()
