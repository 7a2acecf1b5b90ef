"""Answers about rules and manuals.

Written before the ledger had seen any of them; what it gets wrong stands at the end.
"""

PAGES = {
    "queue.md": (
        "# Operations\n\n## Job queue\n\nJobs are stored in PostgreSQL and picked up by "
        "workers every two seconds. A job that fails is tried again after 1, 5 and 25 minutes; "
        "then it is marked as dead. Dead jobs are kept for 14 days and can be restarted from "
        "the dashboard. Workers must run the same version as the web server. High-priority "
        "jobs are started before all others.\n"
    ),
    "alerts.md": (
        "# Operations\n\n## Alerts\n\nAn alert is sent by e-mail when more than 5 % of "
        "requests fail within ten minutes. On-call engineers also receive a text message "
        "between 10 p.m. and 6 a.m. Alerts for the staging system are muted by default. An "
        "alert closes itself after 30 quiet minutes.\n"
    ),
    "rooms.md": (
        "# Library rules\n\n## Reading rooms\n\nReading rooms are open from Monday to "
        "Saturday. Bags have to be left in a locker, but laptops may be taken inside. Food is "
        "forbidden; water in closed bottles is allowed. Group rooms can be booked for at most "
        "3 hours a day by students of the university. Guests need a day ticket, which costs 4 "
        "euros.\n"
    ),
    "loans.md": (
        "# Library rules\n\n## Loans\n\nBooks are lent for four weeks and can be renewed "
        "twice, unless somebody has reserved them. Journals cannot be borrowed. Each day of "
        "delay costs 20 cents per book. Lost books have to be replaced by the borrower. "
        "Reminders are sent three days before the due date.\n"
    ),
    "grid.md": (
        "# Widget reference\n\n## Grid\n\n`Grid.columns` accepts a number between 1 and 12 and "
        "defaults to 3. Setting `Grid.fluid` to `true` makes the columns wrap on narrow "
        "screens. The event `onResize` fires after the layout has been computed. Nested grids "
        "inherit `gap` from their parent. `Grid.rows` is deprecated since 5.1 and will be "
        "removed in 6.0.\n"
    ),
    "theme.md": (
        "# Widget reference\n\n## Themes\n\nThe light theme is used unless the reader's system "
        "prefers dark mode. Colours are defined as CSS variables in `theme.css`. Custom themes "
        "override variables, never component styles. A theme can be changed at runtime with "
        "`setTheme()`, without reloading the page.\n"
    ),
}  # fmt: skip

QUESTION = "What about the job queue, alerts, reading rooms, loans, the grid and themes?"

UNSUPPORTED: dict[str, list[str]] = {
    "a mixture": [
        "Jobs are stored in Redis and picked up by workers {Job queue}.",
        "Workers pick jobs up every two minutes {Job queue}.",
        "A failing job is tried again after 1, 5 and 15 minutes {Job queue}.",
        "Dead jobs are kept for 40 days {Job queue}.",
        "Workers may run another version than the web server {Job queue}.",
        "High-priority jobs are started after all others {Job queue}.",
        "An alert is sent when less than 5 % of requests fail {Alerts}.",
        "An alert is sent when more than 15 % of requests fail {Alerts}.",
        "On-call engineers receive a text message between 6 a.m. and 10 p.m. {Alerts}.",
        "Alerts for the production system are muted by default {Alerts}.",
        "Alerts for the staging system are not muted by default {Alerts}.",
        "An alert never closes itself {Alerts}.",
        "Reading rooms are open from Monday to Sunday {Reading rooms}.",
        "Laptops have to be left in a locker, but bags may be taken inside {Reading rooms}.",
        "Food is allowed; water in closed bottles is forbidden {Reading rooms}.",
        "Group rooms can be booked for at least 3 hours a day {Reading rooms}.",
        "A day ticket costs 4 dollars {Reading rooms}.",
        "Books are lent for four months {Loans}.",
        "Books can be renewed twice even if somebody has reserved them {Loans}.",
        "Journals can be borrowed {Loans}.",
        "Each week of delay costs 20 cents per book {Loans}.",
        "Reminders are sent three days after the due date {Loans}.",
        "`Grid.columns` accepts a number between 1 and 12 and defaults to 12 {Grid}.",
        "`Grid.rows` accepts a number between 1 and 12 {Grid}.",
        "The event `onResize` fires before the layout has been computed {Grid}.",
        "`Grid.rows` is deprecated since 6.0 and will be removed in 5.1 {Grid}.",
        "The dark theme is used unless the reader's system prefers light mode {Themes}.",
        "Custom themes override component styles, never variables {Themes}.",
        "A theme can be changed with `applyTheme()` {Themes}.",
        "Changing the theme at runtime requires reloading the page {Themes}.",
    ],
}

GOOD: dict[str, list[str]] = {
    "a mixture": [
        "PostgreSQL holds the jobs, and workers look for them every two seconds {Job queue}.",
        "After three failed retries, at 1, 5 and 25 minutes, a job is marked as dead {Job queue}.",
        "You can restart dead jobs from the dashboard for 14 days {Job queue}.",
        "The web server and the workers have to run the same version {Job queue}.",
        "Jobs with a high priority are started first {Job queue}.",
        "If over 5 % of the requests fail in ten minutes, an e-mail alert goes out {Alerts}.",
        "At night, from 10 p.m. to 6 a.m., engineers on call get a text message as well {Alerts}.",
        "Staging alerts are muted unless you change that {Alerts}.",
        "After 30 minutes of quiet, the alert is closed automatically {Alerts}.",
        "You may take a laptop inside, but your bag has to stay in a locker {Reading rooms}.",
        "Eating is not allowed, drinking water from a closed bottle is {Reading rooms}.",
        "Students can book a group room for up to 3 hours per day {Reading rooms}.",
        "A day ticket for guests is €4 {Reading rooms}.",
        "The loan period is 4 weeks, and you can renew a book two times {Loans}.",
        "A book cannot be renewed if someone else has reserved it {Loans}.",
        "It is not possible to borrow journals {Loans}.",
        "You pay 20 cents a day for each book that is late {Loans}.",
        "Three days before a book is due, a reminder is sent {Loans}.",
        "By default a grid has 3 columns; up to 12 are possible {Grid}.",
        "With `Grid.fluid` set to `true`, columns wrap on narrow screens {Grid}.",
        "`onResize` is fired once the layout is computed {Grid}.",
        "Do not use `Grid.rows`: it has been deprecated since 5.1 {Grid}.",
        "If the system of the reader prefers dark mode, the dark theme is used instead of the "
        "light one {Themes}.",
        "`setTheme()` changes the theme at runtime, and the page need not be reloaded {Themes}.",
        "The CSS variables for colours are in `theme.css` {Themes}.",
    ],
}

# Wrong, and not found to be so.
MISSED = {
    "On-call engineers receive a text message between 6 a.m. and 10 p.m. {Alerts}.",
    "Alerts for the production system are muted by default {Alerts}.",
}

# Sound, and called unsupported all the same.
FLAGGED = {
    "After three failed retries, at 1, 5 and 25 minutes, a job is marked as dead {Job queue}.",
    "Do not use `Grid.rows`: it has been deprecated since 5.1 {Grid}.",
}
