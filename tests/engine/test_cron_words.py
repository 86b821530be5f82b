"""Cron expressions in plain English."""

import pytest

from aegis_web.engine.cron import parse


@pytest.mark.parametrize(
    ("text", "words"),
    [
        # rhythms
        ("* * * * *", "Every minute"),
        ("*/15 * * * *", "Every 15 minutes"),
        ("0,15,30,45 * * * *", "Every 15 minutes"),
        ("5/15 * * * *", "Every 15 minutes from minute 5 of each hour"),
        ("*/7 * * * *", "Every hour at minutes 0, 7, 14, 21, 28, 35, 42, 49 and 56"),
        ("0 * * * *", "Every hour"),
        ("@hourly", "Every hour"),
        ("*/60 * * * *", "Every hour"),
        ("5 * * * *", "Every hour at minute 5"),
        ("7,23 * * * *", "Every hour at minutes 7 and 23"),
        ("0-5,30 * * * *", "Every hour at minutes 0 to 5 and 30"),
        ("0 */2 * * *", "Every 2 hours"),
        ("30 */6 * * *", "Every 6 hours at minute 30"),
        ("15 1-23/2 * * *", "Every 2 hours from 01:15"),
        ("0 */12 * * *", "Every day at 00:00 and 12:00"),
        ("0 */5 * * *", "Every day at 00:00, 05:00, 10:00, 15:00 and 20:00"),
        ("0 9-17 * * *", "Every hour from 09:00 to 17:00"),
        ("30 22-23,0-5 * * *", "Every hour from 22:30 to 05:30"),
        ("* 9-17 * * *", "Every minute from 09:00 to 17:59"),
        ("*/15 9-17 * * *", "Every 15 minutes from 09:00 to 17:45"),
        ("*/10 9 * * *", "Every 10 minutes from 09:00 to 09:50"),
        ("0-10 12 * * *", "Every minute from 12:00 to 12:10"),
        ("0,20,50 9-12 * * *", "Every hour at minutes 0, 20 and 50, from 09:00 to 12:50"),
        ("*/5 */2 * * *", "Every 5 minutes in every 2nd hour from 00:00"),
        ("* 3,7 * * *", "Every minute in the hours 03 and 07"),
        ("7-9,23 3,7,11 * * *", "At minutes 7 to 9 and 23 in the hours 03, 07 and 11"),
        # every day
        ("0 2 * * *", "Every day at 02:00"),
        ("@daily", "Every day at 00:00"),
        ("0 9,17 * * *", "Every day at 09:00 and 17:00"),
        ("*/30 9 * * *", "Every day at 09:00 and 09:30"),
        ("0 0 1-31 * fri", "Every day at 00:00"),
        # days of the week
        ("0 9 * * 1-5", "At 09:00, Monday to Friday"),
        ("0 9 * * mon", "Every Monday at 09:00"),
        ("@weekly", "Every Sunday at 00:00"),
        ("0 9 * * 6,7", "Every Saturday and Sunday at 09:00"),
        ("0 9 * * mon,wed,fri", "Every Monday, Wednesday and Friday at 09:00"),
        ("0 9 * * fri-mon", "At 09:00, Friday to Monday"),
        ("*/15 9-17 * * mon-fri", "Every 15 minutes from 09:00 to 17:45, Monday to Friday"),
        ("*/10 * * * mon", "Every 10 minutes, every Monday"),
        ("0 9 * * fri#2", "On the second Friday of every month at 09:00"),
        ("0 9 * * friL", "On the last Friday of every month at 09:00"),
        ("0 8 * * mon,fri#2", "Every Monday and on the second Friday of every month at 08:00"),
        # days of the month
        ("15 4 1 * *", "On the 1st of every month at 04:15"),
        ("0 0 1,15 * *", "On the 1st and 15th of every month at 00:00"),
        ("0 0 2,3,11,22 * *", "On the 2nd, 3rd, 11th and 22nd of every month at 00:00"),
        ("0 0 1-7,15 * *", "On the 1st to 7th and 15th of every month at 00:00"),
        ("0 0 */2 * *", "On every 2nd day of every month (1st, 3rd, 5th … 31st) at 00:00"),
        ("*/10 * 1 * *", "Every 10 minutes on the 1st of every month"),
        ("0 0 L * *", "On the last day of every month at 00:00"),
        ("0 0 LW * *", "On the last working day of every month at 00:00"),
        ("0 0 15W * *", "On the working day nearest the 15th of every month at 00:00"),
        ("0 0 1,L * *", "On the 1st and last day of every month at 00:00"),
        # months
        ("@yearly", "Every year on 1 January at 00:00"),
        ("0 12 24 dec *", "Every year on 24 December at 12:00"),
        ("0 0 29 2 *", "Every leap year on 29 February at 00:00"),
        ("0 0 1 1,4,7,10 *", "On the 1st of January, April, July and October at 00:00"),
        ("0 0 1 nov-feb *", "On the 1st of every month from November to February at 00:00"),
        ("0 2 * jan *", "Every day in January at 02:00"),
        ("*/10 * * jun-aug *", "Every 10 minutes from June to August"),
        ("0 9 * jan mon", "Every Monday in January at 09:00"),
        ("0 9 * 1-3 1-5", "At 09:00, Monday to Friday, from January to March"),
        # both kinds of day
        ("0 0 13 * fri", "On the 13th of every month and on every Friday at 00:00"),
        (
            "0 0 13 * 1-5",
            "On the 13th of every month and on every day from Monday to Friday at 00:00",
        ),
        ("0 0 13 6 fri", "On the 13th of June and on every Friday in June at 00:00"),
        (
            "0 0 13 * fri#1",
            "On the 13th of every month and on the first Friday of every month at 00:00",
        ),
        ("*/5 * 13 * fri", "Every 5 minutes on the 13th of every month and on every Friday"),
        ("0 0 1-7 * */7", "Every Sunday that falls on the 1st to 7th of the month, at 00:00"),
        (
            "0 0 */2 * fri",
            "Every Friday that falls on every 2nd day of the month (1st, 3rd, 5th … 31st), "
            "at 00:00",
        ),
    ],
)
def test_it_says_what_a_person_would_say(text: str, words: str) -> None:
    assert parse(text).words() == words
