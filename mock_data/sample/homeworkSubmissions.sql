with owed as (
    select
        row_number() over (order by tasks.number, seats.seat) as n,
        tasks.number as task, tasks.date as assigned, tasks.date + tasks.days as due, tasks.days, tasks.points,
        seats.student
    from tasks
    inner join seats on tasks.class = seats.class and seats.seat < tasks.taken
),
settled as (
    select
        *,
        pick(
            ['graded', 'graded', 'graded', 'graded', 'graded', 'submitted', 'submitted', 'late', 'not_submitted'],
            n, 'status'
        ) as status
    from owed
),
handed_in as (
    select
        *,
        case status when 'not_submitted' then null when 'late' then due + number_from(n, 'late', 1, 9)
            else assigned + number_from(n, 'on time', 0, days) end as submitted,
        status = 'graded' or (status = 'late' and chance(n, 'late but graded', 0.6)) as is_graded
    from settled
),
marked as (
    select
        *,
        case when is_graded then number_from(n, 'score', points // 3, points) end as score,
        case when is_graded then submitted + number_from(n, 'graded', 0, 7) end as graded
    from handed_in
)
select
    n::varchar as "id",
    task::varchar as "assignmentId",
    student::varchar as "studentId",
    submitted as "submittedDate",
    score as "score",
    points as "maxScore",
    case when score >= points * 0.9 then 'A' when score >= points * 0.75 then 'B' when score >= points * 0.6 then 'C'
        when is_graded then 'D' end as "grade",
    case when is_graded
        then pick([null, 'Thorough.', 'Half of it is missing.', 'Très soigné', 'Better each time 👏'], n, 'feedback')
    end as "feedback",
    status as "status",
    case when submitted is not null
        then pick([null, null, null, 'I could not print it.', 'Second page is on the back',
            'My sister''s dog really ate it 🐶'], n, 'notes') end as "submissionNotes",
    graded as "gradedDate",
    assigned as "createdDate",
    coalesce(graded, submitted, assigned) as "updatedDate"
from marked
order by n
