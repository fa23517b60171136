with sat as (
    select
        row_number() over (order by exams.number, seats.seat) as n,
        exams.number as test, exams.date, exams.points, seats.student,
        least(100, number_from(seats.student, 'skill', 45, 90)
            + number_from(exams.number * 100 + seats.seat, 'luck', -15, 15)) as percent
    from exams
    inner join seats on exams.class = seats.class and seats.seat < exams.taken
),
scored as (
    select *, (points * percent // 100)::integer as score from sat
),
marked as (
    select
        *, round(100 * score / points, pick([0, 1, 2], test, 'decimals')) as percentage,
        date + number_from(n, 'graded', 1, 9) as graded,
        [
            {
                'name': format('answers-{}.pdf', n),
                'url': format('https://files.example.org/answers-{}.pdf', n),
                'type': 'submission'
            },
            {'name': format('answers-{}-marked.pdf', n), 'url': null, 'type': 'graded'}
        ] as files
    from scored
)
select
    n::varchar as "id",
    test::varchar as "testId",
    student::varchar as "studentId",
    score as "score",
    points as "maxScore",
    percentage as "percentage",
    case when percentage >= 90 then 'A' when percentage >= 80 then 'B' when percentage >= 70 then 'C'
        when percentage >= 60 then 'D' else 'F' end as "grade",
    pick([null, null, 'Clear and complete.', 'Units!', 'The idea is right, the sums are not.', 'Très bien ! 🌟',
        'See me about question 3.', 'You wrote "obviously": show why.'], n, 'feedback') as "feedback",
    case when chance(n, 'submitted', 0.7) then date end as "submittedDate",
    graded as "gradedDate",
    case when chance(n, 'files', 0.3)
        then files[:number_from(n, 'how many', 0, 2)].list_transform(lambda file, i: sparse(file, n * 10 + i))
    end as "submittedFiles",
    graded as "createdDate",
    graded + number_from(n, 'update', 0, 5) as "updatedDate"
from marked
order by n
