with lessons_held as (
    select
        n, rosters.class, subjects.topics,
        pick(subjects.topics, n, 'topic') as topic,
        first_day + 7 * number_from(n, 'week', 0, 30) as date
    from range(1, getvariable('notes') + 1) as numbers(n)
    inner join rosters on rosters.class = (n - 1) % getvariable('classes') + 1
    inner join subjects on subjects.number = subject_of(rosters.class)
)
select
    n::varchar as "id",
    class::varchar as "classId",
    date as "date",
    format(
        pick(['Began with {}; most had it by the end.', 'Second lesson on {}. Slow start, good questions.',
            'Fire drill in the middle, so {} goes on next week.',
            'Groups of three worked on {}; gallery walk at the end. 🎉',
            'Revision: {}.' || chr(10) || 'Half the room wants another example.'], n, 'content'),
        topic
    ) as "content",
    pick([null, [], [topic], list_distinct([topic, topics[1]]).list_sort()], n, 'topics') as "topics",
    case when chance(n, 'homework', 0.6)
        then format('Read the pages on {} and do 1–{}', topic, number_from(n, 'tasks', 3, 9)) end as "homework",
    case when chance(n, 'objectives', 0.6)
        then format('Everyone can explain {} in their own words', topic) end as "objectives",
    date as "createdDate",
    date + number_from(n, 'update', 0, 4) as "updatedDate"
from lessons_held
order by n
