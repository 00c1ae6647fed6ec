//! Tickets: what they may be tied to, who sees what, how their clocks run, and what happens at the same time.

use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use mintreu::{
    accounts::Role,
    kernel::{PageFrom, PageRequest, TicketId},
    storage::ObjectKey,
    support::{
        self, AgentReply, Assign, AttachmentId, Care, FileReader, NewTicket, Priority, Reader, Status, TicketChange,
        TicketError, TicketFilter, TicketSort,
    },
};

use crate::{
    desk_scene::{HOUR, PNG, Scene},
    support::{sign_in, sold::Sold},
};

fn pointers(refused: TicketError) -> Vec<String> {
    match refused {
        TicketError::Invalid(flaws) => flaws.into_iter().map(|flaw| flaw.pointer).collect(),
        other => panic!("{other:?}"),
    }
}

fn page<C>(limit: i64) -> PageRequest<C> {
    PageRequest { limit, from: PageFrom::Start }
}

on_both!(a_ticket_is_tied_to_what_its_asker_has, |test| async move {
    let scene = Scene::on(&test).await;
    let bought = &scene.sold.entitlement;
    let full = scene.ticket(scene.open_about_product(&scene.ada).await).await;
    assert_eq!(
        (full.order_id, full.product_id, full.developer_id),
        (Some(bought.order), Some(bought.product), Some(bought.developer)),
        "a licence says the rest"
    );
    let by_order = NewTicket { order: Some(bought.order), ..Scene::question() };
    assert_eq!(scene.try_open(&scene.ada, &by_order).await.expect("hers").product_id, Some(bought.product));
    let by_product = NewTicket { product: Some(bought.product), ..Scene::question() };
    assert_eq!(scene.try_open(&scene.ada, &by_product).await.expect("hers").developer_id, Some(bought.developer));
    let free = scene.try_open(&scene.eve, &Scene::question()).await.expect("about nothing");
    assert_eq!((free.order_id, free.product_id, free.developer_id), (None, None, None));

    let other = Sold::to(&scene.db, &scene.ada).await.entitlement;
    for (new, pointer) in [
        (NewTicket { order: Some(bought.order), ..Scene::question() }, "#/order"),
        (NewTicket { license: Some(scene.license), ..Scene::question() }, "#/license"),
        (NewTicket { product: Some(bought.product), ..Scene::question() }, "#/product"),
        (NewTicket { follow_up_of: Some(full.id), ..Scene::question() }, "#/follow_up_of"),
    ] {
        let refused = scene.try_open(&scene.eve, &new).await.expect_err("another's");
        assert_eq!(pointers(refused), [pointer]);
    }
    let mixed = NewTicket { license: Some(scene.license), order: Some(other.order), ..Scene::question() };
    assert_eq!(pointers(scene.try_open(&scene.ada, &mixed).await.expect_err("does not fit")), ["#/order"]);
    let mixed = NewTicket { order: Some(bought.order), product: Some(other.product), ..Scene::question() };
    assert_eq!(pointers(scene.try_open(&scene.ada, &mixed).await.expect_err("does not fit")), ["#/product"]);
});

on_both!(what_is_written_is_bounded, |test| async move {
    let scene = Scene::on(&test).await;
    for (new, pointer) in [
        (NewTicket { subject: String::new(), ..Scene::question() }, "#/subject"),
        (NewTicket { subject: "a\r\nBcc: eve@example.com".to_owned(), ..Scene::question() }, "#/subject"),
        (NewTicket { subject: "x".repeat(201), ..Scene::question() }, "#/subject"),
        (NewTicket { body: " \n ".to_owned(), ..Scene::question() }, "#/body"),
        (NewTicket { body: "nul\0".to_owned(), ..Scene::question() }, "#/body"),
        (NewTicket { body: "é".repeat(20_001), ..Scene::question() }, "#/body"),
        (NewTicket { attachments: vec![scene.db.ids().next(); 3], ..Scene::question() }, "#/attachments"),
        (NewTicket { attachments: vec![scene.db.ids().next()], ..Scene::question() }, "#/attachments/0"),
    ] {
        assert_eq!(pointers(scene.try_open(&scene.ada, &new).await.expect_err("refused")), [pointer]);
    }
    assert_eq!(scene.number("SELECT COUNT(*) FROM tickets").await, 0);
    assert_eq!(scene.number("SELECT COUNT(*) FROM ticket_messages").await, 0);
});

on_both!(everybody_sees_their_own_tickets_only, |test| async move {
    let scene = Scene::on(&test).await;
    let (general, product) = (scene.open(&scene.ada).await, scene.open_about_product(&scene.ada).await);
    let own = async |who: &crate::support::Person| {
        let page = support::list_tickets(&scene.db, who.tenant, None, page(10)).await.expect("a page");
        page.data.into_iter().map(|ticket| ticket.id).collect::<Vec<_>>()
    };
    assert_eq!((own(&scene.ada).await, own(&scene.eve).await), (vec![product, general], vec![]));
    assert!(support::find_ticket(&scene.db, scene.eve.tenant, general).await.expect("answers").is_none());

    let at = async |agent| {
        let page = support::list_at_desk(&scene.db, &agent, &TicketFilter::default(), page(10)).await.expect("a page");
        page.data.into_iter().map(|ticket| ticket.id).collect::<Vec<_>>()
    };
    assert_eq!(at(scene.operator()).await, [product, general]);
    assert_eq!(at(scene.developer()).await, [product]);
    let other = Sold::to(&scene.db, &scene.eve).await;
    let stranger = support::Agent::of(scene.eve.user, other.entitlement.developer);
    assert_eq!(at(stranger).await, []);
    for (agent, ticket) in [(scene.developer(), general), (stranger, product)] {
        assert!(support::find_at_desk(&scene.db, &agent, ticket).await.expect("answers").is_none());
        let answer = scene.answer(agent, ticket, &Scene::answer_of("x")).await;
        assert!(matches!(answer, Err(TicketError::NotFound)), "{answer:?}");
        let solved = TicketChange { status: Some(Status::Solved), ..TicketChange::default() };
        let change = scene.change(agent, ticket, &solved).await.map(|ticket| ticket.id);
        assert!(matches!(change, Err(TicketError::NotFound)), "{change:?}");
    }
    assert!(matches!(scene.reply(&scene.eve, general, "x").await, Err(TicketError::NotFound)));
});

on_both!(who_asks_about_a_product_of_their_own_does_not_sit_at_its_desk, |test| async move {
    let scene = Scene::on(&test).await;
    let sold = Sold::to(&scene.db, &scene.vendor).await;
    let license = sold.license(&scene.db).await.id;
    let new = NewTicket { license: Some(license), ..Scene::question() };
    let id = scene.try_open(&scene.vendor, &new).await.expect("opened").id;
    let agent = support::Agent::of(scene.vendor.user, sold.entitlement.developer);
    assert!(support::find_at_desk(&scene.db, &agent, id).await.expect("answers").is_none());
    let page = support::list_at_desk(&scene.db, &agent, &TicketFilter::default(), page(10)).await.expect("a page");
    assert!(page.data.is_empty());
});

async fn file(scene: &Scene, who: &crate::support::Person) -> AttachmentId {
    support::upload(&scene.db, &scene.desk.files, who.user, ("a.png", Bytes::from_static(PNG))).await.expect("kept").id
}

on_both!(a_note_reaches_no_customer, |test| async move {
    let scene = Scene::on(&test).await;
    let id = scene.open_about_product(&scene.ada).await;
    let secret = file(&scene, &scene.grace).await;
    let note = AgentReply { internal: true, attachments: vec![secret], ..Scene::answer_of("She is a spy.") };
    let before = (scene.notices().await, scene.number("SELECT COUNT(*) FROM domain_events").await);
    let replied = scene.answer(scene.operator(), id, &note).await.expect("noted");
    assert_eq!(replied.status, Status::New, "a note changes nothing");
    assert_eq!((scene.notices().await, scene.number("SELECT COUNT(*) FROM domain_events").await), before);
    assert!(scene.ticket(id).await.progress.first_responded_at.is_none(), "a note is no answer");

    let bodies = async |reader| {
        let page = support::messages(&scene.db, id, reader, page(10)).await.expect("a page");
        page.data.into_iter().map(|message| (message.body, message.attachments.len())).collect::<Vec<_>>()
    };
    assert_eq!(bodies(Reader::Customer).await, [("Why?".to_owned(), 0)]);
    assert_eq!(bodies(Reader::Agent).await, [("Why?".to_owned(), 0), ("She is a spy.".to_owned(), 1)]);
    let find = async |reader| support::find_attachment(&scene.db, secret, reader).await.expect("answers").is_some();
    assert!(!find(FileReader::Customer(scene.ada.user, scene.ada.tenant)).await);
    assert!(!find(FileReader::Customer(scene.eve.user, scene.eve.tenant)).await);
    assert!(find(FileReader::Agent(scene.operator())).await);
    assert!(find(FileReader::Agent(scene.developer())).await);
});

on_both!(a_file_belongs_to_one_message_of_its_uploader, |test| async move {
    let scene = Scene::on(&test).await;
    let (mine, other) = (file(&scene, &scene.ada).await, file(&scene, &scene.eve).await);
    let reader = |who: &crate::support::Person| FileReader::Customer(who.user, who.tenant);
    let sees = async |who, id| support::find_attachment(&scene.db, id, who).await.expect("answers").is_some();
    assert!(sees(reader(&scene.ada), mine).await && !sees(reader(&scene.eve), mine).await);
    assert!(!sees(FileReader::Agent(scene.operator()), mine).await, "nobody sent it yet");
    let stolen = NewTicket { attachments: vec![other], ..Scene::question() };
    assert_eq!(pointers(scene.try_open(&scene.ada, &stolen).await.expect_err("eve's")), ["#/attachments/0"]);
    let sent = NewTicket { attachments: vec![mine], ..Scene::question() };
    scene.try_open(&scene.ada, &sent).await.expect("hers");
    assert_eq!(pointers(scene.try_open(&scene.ada, &sent).await.expect_err("sent")), ["#/attachments/0"]);
    assert!(sees(reader(&scene.ada), mine).await && !sees(reader(&scene.eve), mine).await);
    assert!(sees(FileReader::Agent(scene.operator()), mine).await);
    assert!(!sees(FileReader::Agent(scene.developer()), mine).await, "not about the vendor's product");
    for _ in 0..19 {
        file(&scene, &scene.eve).await;
    }
    let flooded =
        support::upload(&scene.db, &scene.desk.files, scene.eve.user, ("a.png", Bytes::from_static(PNG))).await;
    assert!(matches!(flooded, Err(support::UploadError::TooMany)), "{flooded:?}");
});

on_both!(a_conversation_goes_to_and_fro, |test| async move {
    let scene = Scene::on(&test).await;
    let id = scene.open(&scene.ada).await;
    assert_eq!(scene.reply(&scene.ada, id, "Hello?").await.expect("added").status, Status::New);
    let answered = scene.answer(scene.operator(), id, &Scene::answer_of("Restart it.")).await.expect("answered");
    assert_eq!(answered.status, Status::Pending, "it waits for the customer");
    let ticket = scene.ticket(id).await;
    assert_eq!(ticket.assignee_id, Some(scene.grace.user), "whoever answers first cares for it");
    assert_eq!(scene.reply(&scene.ada, id, "It stopped again.").await.expect("added").status, Status::Open);
    let last = AgentReply { status: Some(Status::Solved), ..Scene::answer_of("Fixed.") };
    assert_eq!(scene.answer(scene.operator(), id, &last).await.expect("answered").status, Status::Solved);
    assert_eq!(scene.reply(&scene.ada, id, "Not quite.").await.expect("reopened").status, Status::Open);
    assert_eq!(
        scene.notices().await,
        ["ticket_opened", "ticket_replied", "ticket_answered", "ticket_replied", "ticket_answered", "ticket_replied"]
    );
    scene.set(id, Status::Solved).await;
    assert_eq!(scene.notices().await.last().map(String::as_str), Some("ticket_solved"));
    scene.set(id, Status::Closed).await;
    assert_eq!(scene.notices().await.len(), 7, "closing what was solved is not told");
    assert!(matches!(scene.reply(&scene.ada, id, "x").await, Err(TicketError::Closed)));
    let late = scene.answer(scene.operator(), id, &Scene::answer_of("x")).await;
    assert!(matches!(late, Err(TicketError::Closed)), "{late:?}");
    assert_eq!(scene.number("SELECT COUNT(*) FROM audit_entries WHERE action = 'ticket.reopened'").await, 1);
});

on_both!(a_missed_target_is_told_once, |test| async move {
    let scene = Scene::on(&test).await;
    let id = scene.open(&scene.ada).await;
    let late = async || {
        support::watch_clocks(&scene.db).await.expect("watched");
        scene.notices().await.iter().filter(|notice| *notice == "ticket_late").count()
    };
    scene.clock.advance(HOUR * 23);
    assert_eq!(late().await, 0);
    scene.clock.advance(HOUR);
    let sweeps = join_all((0..4).map(async |_| support::watch_clocks(&scene.db).await.expect("watched"))).await;
    assert_eq!(sweeps.iter().sum::<usize>(), 1, "many sweeps at once tell it once: {sweeps:?}");
    assert_eq!(late().await, 1);
    assert!(scene.ticket(id).await.progress.first_response_breached_at.is_some());

    scene.answer(scene.operator(), id, &Scene::answer_of("Restart it.")).await.expect("answered");
    scene.clock.advance(HOUR * 1_000);
    assert_eq!(late().await, 1, "the clocks stand while the customer is waited for");
    scene.reply(&scene.ada, id, "No.").await.expect("added");
    scene.clock.advance(HOUR * 95);
    assert_eq!(late().await, 1, "24 of 120 hours were used before");
    scene.clock.advance(HOUR);
    assert_eq!(late().await, 2);
    assert_eq!(late().await, 2);
    scene.set(id, Status::Solved).await;
    assert!(scene.ticket(id).await.progress.is_breached(scene.db.now()));
});

on_both!(what_was_solved_is_closed_after_its_time, |test| async move {
    let scene = Scene::on(&test).await;
    let (first, second) = (scene.open(&scene.ada).await, scene.open(&scene.ada).await);
    scene.set(first, Status::Solved).await;
    scene.set(second, Status::Solved).await;
    let week = scene.desk.policy.close_after;
    scene.clock.advance(HOUR * (7 * 24 - 1));
    assert_eq!(support::close_solved(&scene.db, week).await.expect("swept"), 0);
    scene.reply(&scene.ada, second, "Wait.").await.expect("reopened");
    scene.clock.advance(HOUR);
    assert_eq!(support::close_solved(&scene.db, week).await.expect("swept"), 1);
    assert_eq!(scene.ticket(first).await.progress.status, Status::Closed);
    assert_eq!(scene.ticket(second).await.progress.status, Status::Open);
    let follow = NewTicket { follow_up_of: Some(first), ..Scene::question() };
    assert_eq!(scene.try_open(&scene.ada, &follow).await.expect("goes on").follow_up_of, Some(first));
});

on_both!(operators_change_and_developers_answer, |test| async move {
    let scene = Scene::on(&test).await;
    let (general, id) = (scene.open(&scene.ada).await, scene.open_about_product(&scene.ada).await);
    let to = |assign| TicketChange { assignee: Some(assign), ..TicketChange::default() };
    for (ticket, user, allowed) in [
        (id, scene.grace.user, true),
        (id, scene.vendor.user, true),
        (id, scene.ada.user, false),
        (general, scene.vendor.user, false),
    ] {
        let changed = scene.change(scene.operator(), ticket, &to(Assign::To(user))).await;
        assert_eq!(changed.is_ok(), allowed, "{user}");
        if let Err(refused) = changed {
            assert_eq!(pointers(refused), ["#/assignee"]);
        }
    }
    let cleared = scene.change(scene.operator(), id, &to(Assign::Nobody)).await.expect("nobody's");
    assert_eq!(cleared.assignee_id, None);
    let urgent = TicketChange { priority: Some(Priority::Urgent), ..TicketChange::default() };
    let pressed = scene.change(scene.operator(), id, &urgent).await.expect("changed");
    assert_eq!(pressed.progress.first_response_due_at, pressed.progress.created_at + HOUR);
    for change in [&urgent, &to(Assign::To(scene.vendor.user))] {
        let refused = scene.change(scene.developer(), id, change).await.expect_err("for operators");
        assert!(matches!(refused, TicketError::Forbidden(_)), "{refused:?}");
    }
    let hold = TicketChange { status: Some(Status::OnHold), ..TicketChange::default() };
    scene.change(scene.developer(), id, &hold).await.expect("a developer says where it stands");
    let back = TicketChange { status: Some(Status::New), ..TicketChange::default() };
    assert_eq!(pointers(scene.change(scene.operator(), id, &back).await.expect_err("not new")), ["#/status"]);
    for (action, times) in
        [("ticket.assigned", 3), ("ticket.priority_changed", 1), ("ticket.status_changed", 1), ("ticket.opened", 2)]
    {
        let entries: i64 = mintreu::fetch_one!(
            &scene.db,
            sqlx::query_scalar("SELECT COUNT(*) FROM audit_entries WHERE action = $1").bind(action)
        )
        .expect("a number");
        assert_eq!(entries, times, "{action}");
    }
});

on_both!(whatever_is_written_at_the_same_time_is_kept, |test| async move {
    let scene = Scene::on(&test).await;
    let id = scene.open(&scene.ada).await;
    let customer = join_all((0..10).map(async |n| scene.reply(&scene.ada, id, &format!("c{n}")).await.is_ok()));
    let agents = join_all((0..10).map(async |n| {
        let solve = AgentReply { status: (n % 2 == 0).then_some(Status::Solved), ..Scene::answer_of(&format!("a{n}")) };
        scene.answer(scene.operator(), id, &solve).await.is_ok()
    }));
    let sweeps = join_all((0..3).map(async |_| support::watch_clocks(&scene.db).await.is_ok()));
    let (customer, agents, sweeps) = tokio::join!(customer, agents, sweeps);
    assert!(customer.into_iter().chain(agents).chain(sweeps).all(|done| done));
    let page = support::messages(&scene.db, id, Reader::Agent, page(100)).await.expect("a page");
    assert_eq!(page.data.len(), 21);
    let status = scene.ticket(id).await.progress.status;
    let last = &page.data[20].body;
    // The last word of whoever spoke last in the order of commits decides; the schema's checks hold in any case.
    assert!(matches!(status, Status::Open | Status::Pending | Status::Solved), "{status} after {last}");
    let assigned = scene.number("SELECT COUNT(*) FROM audit_entries WHERE action = 'ticket.assigned'").await;
    assert_eq!(assigned, 1, "one of them made it theirs");
});

async fn ids(scene: &Scene, filter: &TicketFilter, limit: i64) -> Vec<TicketId> {
    let (mut found, mut from) = (Vec::new(), PageFrom::Start);
    loop {
        let page = support::list_at_desk(&scene.db, &scene.operator(), filter, PageRequest { limit, from }).await;
        let page = page.expect("a page");
        found.extend(page.data.iter().map(|ticket| ticket.id));
        match page.next_cursor {
            Some(next) => from = PageFrom::After(next.parse().expect("a cursor")),
            None => return found,
        }
    }
}

on_both!(a_desk_is_filtered_and_sorted, |test| async move {
    let scene = Scene::on(&test).await;
    let mut all = Vec::new();
    for priority in [Priority::Low, Priority::Urgent, Priority::Normal, Priority::High, Priority::Urgent] {
        let new = NewTicket { priority, ..Scene::question() };
        all.push(scene.try_open(&scene.ada, &new).await.expect("opened").id);
        scene.clock.advance(Duration::from_mins(10));
    }
    let [low, urgent, normal, high, last] = all[..] else { panic!("five") };
    scene.answer(scene.operator(), normal, &Scene::answer_of("Yes.")).await.expect("answered");
    let sorted = |sort| TicketFilter { sort: Some(sort), ..TicketFilter::default() };
    for limit in [1, 2, 10] {
        assert_eq!(ids(&scene, &sorted(TicketSort::Newest), limit).await, [last, high, normal, urgent, low]);
        assert_eq!(ids(&scene, &sorted(TicketSort::Oldest), limit).await, [low, urgent, normal, high, last]);
        assert_eq!(ids(&scene, &sorted(TicketSort::Updated), limit).await, [normal, last, high, urgent, low]);
        assert_eq!(ids(&scene, &sorted(TicketSort::Priority), limit).await, [last, urgent, high, normal, low]);
        assert_eq!(ids(&scene, &sorted(TicketSort::Due), limit).await, [urgent, last, high, low, normal]);
    }
    let back = support::list_at_desk(&scene.db, &scene.operator(), &sorted(TicketSort::Oldest), page(3)).await;
    let third: support::TicketCursor = back.expect("a page").next_cursor.expect("more").parse().expect("a cursor");
    let other = PageRequest { limit: 2, from: PageFrom::Before(third.clone()) };
    let before = support::list_at_desk(&scene.db, &scene.operator(), &sorted(TicketSort::Oldest), other).await;
    assert_eq!(before.expect("a page").data.iter().map(|it| it.id).collect::<Vec<_>>(), [low, urgent]);
    let wrong = PageRequest { limit: 2, from: PageFrom::After(third) };
    support::list_at_desk(&scene.db, &scene.operator(), &sorted(TicketSort::Due), wrong).await.expect_err("of another");

    scene.clock.advance(Duration::from_mins(25));
    let filter = |change: &dyn Fn(&mut TicketFilter)| {
        let mut filter = TicketFilter::default();
        change(&mut filter);
        filter
    };
    for (filter, expected) in [
        (filter(&|it| it.status = Some(Status::Pending)), vec![normal]),
        (filter(&|it| it.priority = Some(Priority::Urgent)), vec![last, urgent]),
        (filter(&|it| it.assignee = Care::Of(scene.grace.user)), vec![normal]),
        (filter(&|it| it.assignee = Care::Nobody), vec![last, high, urgent, low]),
        (filter(&|it| it.breached = Some(true)), vec![urgent]),
        (filter(&|it| it.breached = Some(false)), vec![last, high, normal, low]),
        (filter(&|it| it.category = Some(support::Category::Billing)), vec![]),
    ] {
        assert_eq!(ids(&scene, &filter, 10).await, expected, "{filter:?}");
    }
});

on_both!(what_nobody_needs_is_deleted_with_its_bytes, |test| async move {
    let scene = Scene::on(&test).await;
    let (loose, sent) = (file(&scene, &scene.ada).await, file(&scene, &scene.ada).await);
    let new = NewTicket { attachments: vec![sent], ..Scene::question() };
    scene.try_open(&scene.ada, &new).await.expect("opened");
    let there = async |id: AttachmentId| {
        scene.desk.files.load(&ObjectKey::private("attachments", id.uuid())).await.expect("read").is_some()
    };
    support::tidy(&scene.db, &scene.desk.files).await.expect("tidied");
    assert!(there(loose).await && there(sent).await, "not yet");
    scene.clock.advance(HOUR * 24);
    support::tidy(&scene.db, &scene.desk.files).await.expect("tidied");
    assert!(!there(loose).await && there(sent).await);
    assert_eq!(scene.number("SELECT COUNT(*) FROM ticket_attachments").await, 1);
});

on_both!(the_developer_of_a_product_is_whoever_sells_it_now, |test| async move {
    let scene = Scene::on(&test).await;
    assert_eq!(
        mintreu::catalog::developer_of(&scene.db, scene.vendor.user).await.expect("answers"),
        Some(scene.sold.entitlement.developer)
    );
    let nobody = sign_in(&scene.db, "idle@example.com", Role::Developer).await;
    assert_eq!(mintreu::catalog::developer_of(&scene.db, nobody.user).await.expect("answers"), None);
});
