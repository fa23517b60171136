with chosen as (
    select
        n, lessons.*, getvariable('term') + (day + 6) % 7 + 7 * number_from(n, 'week', 2, 30) as date,
        case when chance(n, 'moved', 0.6) then 15 * number_from(n, 'shift', 1, 6) else 0 end as shift
    from range(1, getvariable('exceptions') + 1) as numbers(n)
    inner join lessons on lessons.number = 1 + roll(n, 'lesson') % (select count(*) from lessons)
)
select
    n::varchar as "id",
    number::varchar as "scheduleId",
    date as "date",
    clock(start + shift) as "startTime",
    clock(start + shift + length) as "endTime",
    pick([true, false, null], n, 'cancelled') as "cancelled",
    date - number_from(n, 'created', 1, 12) as "createdDate"
from chosen
order by n
