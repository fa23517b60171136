with written as (
    select
        exams.number, exams.class, exams.date, exams.points, subjects.subject,
        pick(subjects.topics, exams.number, 'topic') as topic,
        pick(['quiz', 'exam', 'assignment', 'project'], exams.number, 'type') as type,
        format('{}-{}.pdf', lower(replace(subjects.subject, ' ', '-')), exams.number) as file
    from exams
    inner join subjects on subjects.number = subject_of(exams.class)
)
select
    number::varchar as "id",
    class::varchar as "classId",
    format('{} {}: {}', subject, type, topic) as "title",
    pick(['Closed book, pen only.', 'One handwritten page of notes is allowed.', 'Work in pairs; hand in one copy.',
        'Show every step: "because" earns points.'], number, 'description') as "description",
    date as "testDate",
    case when type in ('quiz', 'exam') and chance(number, 'timed', 0.8)
        then clock(480 + 15 * number_from(number, 'time', 0, 28)) end as "testTime",
    points as "totalPoints",
    type as "testType",
    case when chance(number, 'file', 0.4) then file end as "fileName",
    case when chance(number, 'file', 0.3) then 'https://files.example.org/' || file end as "fileUrl",
    case when chance(number, 'files', 0.7)
        then [
            {'name': 'formulas.pdf', 'url': 'https://files.example.org/formulas.pdf'},
            {'name': 'brouillon corrigé.docx', 'url': null},
            {'name': 'sources (on paper)', 'url': null}
        ][:number_from(number, 'how many', 0, 3)].list_transform(lambda file, i: sparse(file, number * 10 + i))
    end as "files",
    date - number_from(number, 'created', 3, 20) as "createdDate",
    date - number_from(number, 'update', 0, 3) as "updatedDate"
from written
order by number
