"""Answers that a model might write about a small site: with every kind of fault, and without.

"{Timing}" becomes the marker of the passage under that heading. Each text is an answer whole.
"""

PAGES = {
    "lamp.md": (
        "# The lamp\n\n## Timing\n\nThe lamp turns once in twelve seconds. A full turn shows three "
        "white flashes and one red flash. The rotation must never be stopped by hand while the "
        "lamp is lit. If the motor fails, the keeper has to start the reserve motor within 5 "
        "minutes. The reserve motor runs on diesel, and it is louder than the main motor.\n"
    ),
    "backups.md": (
        "# Backups\n\n## Schedule\n\nThe log is written to a second disk every night at three "
        "o'clock. Backups are kept for 30 days and are encrypted before they leave the machine. "
        "Only the owner can delete a backup. Most backups take less than 40 seconds. A backup "
        "needs at least 2 GB of free disk space. When the disk is full, the oldest backup is "
        "deleted and a warning is sent by radio.\n"
    ),
    "settings.md": (
        "# Settings\n\n## Limits\n\n| setting | default | meaning |\n|---|---|---|\n"
        "| `FETCH_LIMIT` | 50 | records that are read at once |\n"
        "| `KEEP_DAYS` | 30 | days for which a backup is kept |\n"
        "| `TIMEOUT_MS` | 300 | milliseconds to wait for the radio |\n\n"
        "`FETCH_LIMIT` may be raised up to 500. The radio is disabled by default and can be "
        "enabled with `--radio`. Changes of settings take effect after a restart.\n"
    ),
    "install.md": (
        "# Install\n\n## Steps\n\nLighthouse 4.2 needs Python 3.11 or newer and 40 MB of memory. "
        "Install it with two commands:\n\n```bash\npip install lighthouse==4.2.1\n"
        "lighthouse init --coast north\n```\n\nThe file `/etc/lighthouse/config.toml` is read "
        "before the environment. Windows is not supported. Some distributions bring their own "
        "package, which is often older.\n"
    ),
    "history.md": (
        "# History\n\n## Keepers\n\nAnna Holm became the first keeper in 1843. Bertil Lund "
        "replaced her in 1861 and introduced the fog horn. The station was automated on "
        "2019-07-02. The tower is 31.5 metres high, and 16.14 % of its height is below ground. "
        "About 1,000 ships pass every year, fewer than before the canal was opened.\n"
    ),
    "access.md": (
        "# Access\n\n## Roles\n\nReaders may search the log, but they cannot change entries. "
        "Editors can correct entries until the end of the day; after that, a correction requires "
        "the approval of the owner. All changes are recorded. Passwords must have at least 12 "
        "characters. An account is locked after five failed attempts and unlocked by the owner.\n"
    ),
}  # fmt: skip

QUESTION = "How do the lamp, backups, settings, installation, keepers and access roles work?"

UNSUPPORTED: dict[str, list[str]] = {
    "a wrong number": [
        "The lamp turns once in fifteen seconds {Timing}.",
        "The lamp turns once in 21 seconds {Timing}.",
        "Backups are kept for 90 days {Schedule}.",
        "Accounts are locked after three failed attempts {Roles}.",
        "The tower is 35.1 metres high {Keepers}.",
        "16.4 % of the tower's height is below ground {Keepers}.",
        "About 10,000 ships pass every year {Keepers}.",
        "By default, `FETCH_LIMIT` is 500 and `KEEP_DAYS` is 50 {Limits}.",
        "Lighthouse 4.2 needs Python 3.8 or newer {Steps}.",
        "The station was automated on 7 February 2019 {Keepers}.",
        "Bertil Lund replaced Anna Holm in 1816 {Keepers}.",
    ],
    "a wrong unit": [
        "The lamp turns once in twelve minutes {Timing}.",
        "A backup needs at least 2 MB of free disk space {Schedule}.",
        "Lighthouse needs Python 3.11 and 40 GB of memory {Steps}.",
        "`TIMEOUT_MS` makes it wait 300 seconds for the radio {Limits}.",
        "The tower is 31.5 feet high {Keepers}.",
        "The reserve motor has to be started within 5 hours {Timing}.",
        "16.14 metres of its height are below ground {Keepers}.",
    ],
    "a wrong name": [
        "Clara Holm became the first keeper in 1843 {Keepers}.",
        "In 1861, Bertil Berg introduced the fog horn {Keepers}.",
        "`FETCH_SIZE` is 50 by default {Limits}.",
        "The radio can be enabled with `--wireless` {Limits}.",
        "The file `/etc/lighthouse/settings.toml` is read before the environment {Steps}.",
        "Install it with `pip install lighthouse-server` {Steps}.",
        "According to Postgres, the log is written to a second disk every night {Schedule}.",
        "macOS is not supported {Steps}.",
    ],
    "a name in place of another": [
        "`TIMEOUT_MS` is the number of records that are read at once {Limits}.",
        "`KEEP_DAYS` may be raised up to 500 {Limits}.",
        "By default, `FETCH_LIMIT` is 300 {Limits}.",
        "`FETCH_LIMIT` says for how many days a backup is kept {Limits}.",
    ],
    "a negation turned": [
        "Windows is supported {Steps}.",
        "The lamp does not turn once in twelve seconds {Timing}.",
        "Readers can change entries {Roles}.",
        "Changes are not recorded {Roles}.",
        "Backups are not encrypted before they leave the machine {Schedule}.",
        "The rotation must be stopped by hand while the lamp is lit {Timing}.",
        "The owner can never delete a backup {Schedule}.",
        "Backups are kept for 30 days without being encrypted {Schedule}.",
    ],
    "an opposite": [
        "The radio is enabled by default {Limits}.",
        "The file `/etc/lighthouse/config.toml` is read after the environment {Steps}.",
        "The reserve motor is quieter than the main motor {Timing}.",
        "A backup needs at most 2 GB of free disk space {Schedule}.",
        "Most backups take more than 40 seconds {Schedule}.",
        "When the disk is full, the newest backup is deleted {Schedule}.",
        "Lighthouse 4.2 needs Python 3.11 or older {Steps}.",
        "An account is unlocked after five failed attempts {Roles}.",
        "More ships pass every year than before the canal was opened {Keepers}.",
        "The log is written to a second disk every morning {Schedule}.",
        "A full turn shows three red flashes and one white flash {Timing}.",
        "The main motor is louder than the reserve motor {Timing}.",
        "The environment is read before the file `/etc/lighthouse/config.toml` {Steps}.",
    ],
    "another quantifier": [
        "All backups take less than 40 seconds {Schedule}.",
        "All distributions bring their own package {Steps}.",
        "Some changes are recorded {Roles}.",
        "Only editors may search the log {Roles}.",
        "Lighthouse only needs Python 3.11 or newer {Steps}.",
        "Distributions always bring their own package {Steps}.",
    ],
    "another modal verb": [
        "Passwords may have at least 12 characters {Roles}.",
        "Readers must search the log {Roles}.",
        "If the motor fails, the keeper can start the reserve motor within 5 minutes {Timing}.",
        "`FETCH_LIMIT` must be raised up to 500 {Limits}.",
    ],
    "swapped citations": [
        "The lamp turns once in twelve seconds {Schedule}. Backups are kept for 30 days {Timing}.",
        "Anna Holm became the first keeper in 1843 {Roles}.",
        "Readers may search the log but cannot change entries {Steps}.",
        "`FETCH_LIMIT` is 50 by default {Schedule}. The log is backed up every night {Limits}.",
    ],
    "knowledge of the world": [
        "Lighthouses have been built since antiquity, the most famous one in Alexandria.",
        "The lamp turns once in twelve seconds {Timing}.\n\nRotating lamps were invented in 1781.",
        "Fresnel lenses bundle the light of the lamp {Timing}.",
        "Backups should follow the rule of three copies on two media {Schedule}.",
        "Two-factor authentication protects every account {Roles}.",
        "Windows is not supported {Steps}. It works well on macOS and FreeBSD though.",
        "The lamp is driven by an electric motor from Sweden {Timing}.",
        "It is free software under the MIT licence {Steps}.",
    ],
    "two sections mixed": [
        "The lamp is encrypted before it leaves the machine {Timing}{Schedule}.",
        "Editors can delete backups until the end of the day {Roles}.",
        "Anna Holm introduced encrypted backups in 1843 {Keepers}{Schedule}.",
        "The lamp turns once in 300 milliseconds {Limits}.",
        "Readers may stop the rotation of the lamp by hand {Roles}{Timing}.",
    ],
    "a quotation that nobody wrote": [
        "The page says “the lamp never fails in a storm” {Timing}.",
        "“Backups are kept for ninety days and are never encrypted” {Schedule}.",
        "> “The owner may delete every account at any time.” {Roles}",
        'It warns that "the reserve motor must not run at night" {Timing}.',
        "As the manual puts it: «every reader is an editor» {Roles}.",
        "“The lamp turns once in twelve seconds” {Schedule}.",
        "“One turn of the lamp takes twelve seconds” {Timing}.",
        "The page says that “backups are stored for 30 days” {Schedule}.",
    ],
    "no citation": [
        "The lamp turns once in twelve seconds.",
        "Backups are kept for 30 days.\n\nThe radio is disabled by default {Limits}.",
        "Yes, it is free.",
        "It supports Windows.",
    ],
    "made-up code": [
        "Install it {Steps}:\n\n```bash\npip install lighthouse-pro\n```",
        "Delete all backups like this {Schedule}:\n\n```bash\nlighthouse purge --all\n```",
        "```bash\npip install lighthouse==4.2.1\nlighthouse init --coast south\n```\n\n{Steps}",
        "The command is `lighthouse restore --force` {Steps}.",
    ],
    "a marker inside code": [
        "```\nThe lamp turns once in twelve seconds {Timing}\n```",
        "The lamp turns once in `twelve seconds {Timing}`.",
    ],
}

LINKS_AND_PICTURES = [
    "The lamp turns once in twelve seconds ([more](https://evil.example/lamp)) {Timing}.",
    "![lamp](https://evil.example/track.png)\n\nThe lamp turns once in twelve seconds {Timing}.",
    "Backups are kept for 30 days {Schedule}. See https://backups.example/help for help.",
]

INVENTED_MARKERS = [
    "The lamp turns once in twelve seconds [z9z].",
    "The lamp turns once in twelve seconds [99].",
    "Backups are kept for 30 days [a1b, c2d].",
    "Windows is not supported [q7q]. The radio is disabled by default {Limits}.",
    "The tower is 31.5 metres high {Keepers}[x1x].",
]

COPIED: dict[str, list[str]] = {
    "a paragraph": [
        "The log is written to a second disk every night at three o'clock. Backups are kept for 30 "
        "days and are encrypted before they leave the machine {Schedule}.",
        "If the motor fails, the keeper has to start the reserve motor within 5 minutes. The "
        "reserve motor runs on diesel, and it is louder than the main motor {Timing}.",
        "Editors can correct entries until the end of the day; after that, a correction requires "
        "the approval of the owner {Roles}.",
    ],
    "in other clothes": [
        "THE LOG IS WRITTEN TO A SECOND DISK EVERY NIGHT AT THREE O'CLOCK. Backups are kept for 30 "
        "days {Schedule}.",
        "- The rotation must never be\n- stopped by hand while\n- the lamp is lit, if the motor "
        "fails {Timing}",
        "The **log** is written to a *second disk* every night, at three o'clock – backups are "
        "kept for `30 days` {Schedule}.",
        "If the motor fails, the keeper has to start the reserve motor {Timing} within 5 minutes "
        "{Timing}.",
        "```\nEditors can correct entries until the end of the day, after that, a correction "
        "requires the approval of the owner\n```\n\n{Roles}",
    ],
    "with small edits": [
        "If the motor fails, then the keeper has to start the reserve motor within 5 minutes, and "
        "the reserve motor runs on diesel {Timing}.",
        "The log is always written to a second disk every single night at three o'clock; backups "
        "are kept for 30 days and encrypted before they leave the machine {Schedule}.",
    ],
    "half quoted": [
        "“The log is written to a second disk” every night at three o'clock. Backups are kept for "
        "30 days and are encrypted {Schedule}.",
    ],
    "quoted, but cited wrongly or not at all": [
        "“The log is written to a second disk every night at three o'clock. Backups are kept for "
        "30 days and are encrypted.”",
        "“If the motor fails, the keeper has to start the reserve motor within 5 minutes” {Roles}.",
    ],
}

GOOD: dict[str, list[str]] = {
    "a paraphrase": [
        "One turn of the lamp takes 12 seconds {Timing}.",
        "The lamp needs twelve seconds for a full turn {Timing}.",
        "During one turn, three white flashes and a red one can be seen {Timing}.",
        "While the lamp is lit, nobody may stop its rotation by hand {Timing}.",
        "Should the motor fail, the reserve motor has to be started within five minutes {Timing}.",
        "The reserve motor is driven by diesel and makes more noise than the main one {Timing}.",
        "Every night at three, the log is copied to another disk {Schedule}.",
        "Backups are stored for 30 days {Schedule}.",
        "Before a backup leaves the machine, it is encrypted {Schedule}.",
        "A backup can be deleted only by the owner {Schedule}.",
        "Nobody but the owner can delete a backup {Schedule}.",
        "Usually a backup takes less than 40 seconds {Schedule}.",
        "You need 2 GB or more of free disk space for a backup {Schedule}.",
        "If the disk is full, the oldest backup is removed and a warning goes out by radio "
        "{Schedule}.",
        "At most 500 records can be read at once, if `FETCH_LIMIT` is raised {Limits}.",
        "The radio is off unless you enable it with `--radio` {Limits}.",
        "You have to restart before changed settings take effect {Limits}.",
        "Lighthouse 4.2 requires Python 3.11 or later {Steps}.",
        "It needs 40 megabytes of memory {Steps}.",
        "It does not run on Windows, which is not supported {Steps}.",
        "`/etc/lighthouse/config.toml` is read first, the environment after it {Steps}.",
        "The first keeper was Anna Holm, from 1843 on {Keepers}.",
        "Anna Holm was replaced by Bertil Lund in 1861 {Keepers}.",
        "The station was automated on 2 July 2019 {Keepers}.",
        "The station has been automated since July 2019 {Keepers}.",
        "16.14 percent of the tower's height lies below ground {Keepers}.",
        "Some 1000 ships pass in a year {Keepers}.",
        "Fewer ships pass than before the opening of the canal {Keepers}.",
        "Readers can search the log but are not able to change entries {Roles}.",
        "After the end of the day, the owner has to approve a correction {Roles}.",
        "Five failed attempts lock an account {Roles}.",
        "A password needs 12 characters or more {Roles}.",
        "Every change is recorded {Roles}.",
    ],
    "several sentences": [
        "The lamp turns once in twelve seconds {Timing}. Backups are kept for 30 days {Schedule}.",
        "Readers may search the log. They cannot change entries {Roles}.",
        "Yes. Backups are encrypted before they leave the machine {Schedule}.",
        "The radio is disabled by default {Limits}. The passages do not say how far it reaches.",
        "Is it safe? Backups are encrypted {Schedule}.",
        "The keeper starts the reserve motor {Timing}, and the owner unlocks accounts {Roles}.",
        "Both the backups and `KEEP_DAYS` stand for 30 days {Schedule}{Limits}.",
    ],
    "a quotation": [
        "“The lamp turns once in twelve seconds.” {Timing}",
        "> “Only the owner can delete a backup.” {Schedule}",
        "The rotation “must never be stopped by hand” while the lamp is lit {Timing}.",
        'According to the page, "all changes are recorded" {Roles}.',
        "“The log is written to a second disk … at three o'clock” {Schedule}.",
        "> If the motor fails, the keeper has to start the reserve motor within 5 minutes. "
        "{Timing}",
    ],
    "a list": [
        "The roles differ {Roles}:\n\n- Readers may search the log.\n- Editors can correct "
        "entries.",
        "1. The lamp turns once in twelve seconds {Timing}.\n2. Backups are kept 30 days "
        "{Schedule}.",
        "Keepers:\n\n- Anna Holm (from 1843) {Keepers}\n- Bertil Lund (from 1861) {Keepers}",
    ],
    "a table": [
        "| setting | default |\n|---|---|\n| `FETCH_LIMIT` | 50 |\n| `KEEP_DAYS` | 30 "
        "|\n\n{Limits}",
        "| who | may |\n|---|---|\n| readers | search the log {Roles} |\n"
        "| editors | correct entries until the end of the day {Roles} |",
    ],
    "code": [
        "Install it like this {Steps}:\n\n```bash\npip install lighthouse==4.2.1\n"
        "lighthouse init --coast north\n```",
        "Enable the radio with `--radio` {Limits}.",
        "Run `lighthouse init --coast north` to install it {Steps}.",
    ],
}

# Wrong, and not found to be so.
MISSED: set[str] = set()

# Sound, and called unsupported all the same.
FLAGGED = {
    "`/etc/lighthouse/config.toml` is read first, the environment after it {Steps}.",
}
