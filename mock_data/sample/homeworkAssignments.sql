with given as (
    select tasks.*, pick(subjects.topics, tasks.number, 'topic') as topic
    from tasks
    inner join subjects on subjects.number = subject_of(tasks.class)
)
select
    number::varchar as "id",
    class::varchar as "classId",
    pick(['Practice: ', 'Read and answer: ', 'Portfolio: ', 'Worksheet – '], number, 'title') || topic as "title",
    format(
        pick(['Finish what we began on {}.', 'Two pages on {}, in your own words.', 'Find examples of {} at home.'],
            number, 'description'),
        topic
    ) as "description",
    date as "assignedDate",
    date + days as "dueDate",
    points as "totalPoints",
    case when chance(number, 'instructions', 0.5)
        then pick(['Handwritten or typed, both are fine.',
            'Name and date on every page.' || chr(10) || 'No screenshots.', 'Ask before you buy anything.'],
            number, 'instructions') end as "instructions",
    pick([null, [], ['Textbook, chapter ' || number_from(number, 'chapter', 1, 14)],
        ['https://library.example.org/' || number, 'Folder in the reading corner']],
        number, 'resources') as "resources",
    date as "createdDate",
    date + number_from(number, 'update', 0, least(days, 2)) as "updatedDate"
from given
order by number
