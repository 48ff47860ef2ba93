//! Who is in the room, and what changes.

use crate::support::{World, config, infos};
use beluga_livekit::Event;
use livekit_protocol as proto;
use livekit_protocol::signal_response::Message as Response;
use std::collections::HashMap;

#[test]
fn whoever_comes_and_goes_is_told_with_tracks_in_between() {
    let mut world = World::joined();
    world.take_events();
    let caller = infos::participant("caller", &["TR_a"]);
    world.update(std::slice::from_ref(&caller));
    assert_eq!(
        world.take_shown(),
        ["caller came", "caller has TR_a", "caller is active"]
    );
    world.subscribe(1, &[("0", "TR_a")]);
    world.update(&[infos::left(&caller)]);
    assert_eq!(
        world.take_shown(),
        [
            "hear TR_a",
            "hear no TR_a",
            "caller has no TR_a",
            "caller left: CLIENT_INITIATED"
        ]
    );
    world.update(&[infos::left(&caller)]);
    assert!(world.take_shown().is_empty(), "twice");
}

#[test]
fn every_change_is_told_with_what_was_and_what_is() {
    let mut first = infos::participant("caller", &["TR_a"]);
    first.state = proto::participant_info::State::Joined as i32;
    first.attributes = HashMap::from([
        ("stays".to_owned(), "1".to_owned()),
        ("goes".to_owned(), "1".to_owned()),
    ]);
    let mut world = World::joined_with(config(), infos::join(&[first.clone()]));
    world.take_events();
    let second = infos::newer(&first, |info| {
        info.name = "Ann".to_owned();
        info.metadata = "m".to_owned();
        info.attributes = HashMap::from([
            ("stays".to_owned(), "1".to_owned()),
            ("new".to_owned(), "2".to_owned()),
        ]);
        info.permission = Some(proto::ParticipantPermission {
            can_publish: true,
            ..Default::default()
        });
        info.state = proto::participant_info::State::Active as i32;
        info.tracks[0].muted = true;
        info.tracks.push(infos::track("TR_b"));
    });
    world.update(std::slice::from_ref(&second));
    assert_eq!(
        world.take_shown(),
        [
            "caller: name \"\" -> \"Ann\"",
            "caller: metadata \"\" -> \"m\"",
            "caller: attributes {\"goes\": \"\", \"new\": \"2\"}",
            "caller: other permissions",
            "caller is active",
            "TR_a is muted",
            "caller has TR_b"
        ]
    );
    world.update(&[infos::newer(&second, |info| {
        info.tracks.remove(0);
        info.tracks[0].muted = false;
    })]);
    assert_eq!(world.take_shown(), ["caller has no TR_a"]);
}

#[test]
fn an_older_word_does_not_overtake_a_newer_one() {
    let mut world = World::joined();
    let first = infos::participant("caller", &[]);
    let second = infos::newer(&first, |info| info.metadata = "2".to_owned());
    let third = infos::newer(&second, |info| info.metadata = "3".to_owned());
    world.update(&[first]);
    world.update(&[third]);
    world.take_events();
    world.update(&[second]);
    assert!(world.take_shown().is_empty());
}

#[test]
fn the_same_identity_with_another_sid_left_and_came_back() {
    let mut world = World::joined();
    world.update(&[infos::participant("caller", &["TR_a"])]);
    world.take_events();
    let mut again = infos::participant("caller", &["TR_b"]);
    again.sid = "PA_again".to_owned();
    world.update(&[again.clone()]);
    assert_eq!(
        world.take_shown(),
        [
            "caller has no TR_a",
            "caller left: DUPLICATE_IDENTITY",
            "caller came",
            "caller has TR_b",
            "caller is active"
        ]
    );
    // The word that the earlier stay is over comes late, or never.
    world.update(&[infos::left(&infos::participant("caller", &[]))]);
    assert!(world.take_shown().is_empty());
}

#[test]
fn our_own_entry_is_not_somebody_else() {
    let mut world = World::joined();
    world.take_events();
    let us = infos::participant("agent", &[]);
    world.update(&[infos::newer(&us, |info| {
        info.metadata = "ours".to_owned();
        info.permission = Some(proto::ParticipantPermission::default());
    })]);
    assert_eq!(
        world.take_shown(),
        [
            "agent: metadata \"\" -> \"ours\"",
            "agent: other permissions"
        ]
    );
    let mut stranger = infos::participant("agent", &[]);
    stranger.sid = "PA_other".to_owned();
    world.update(&[stranger]);
    assert!(world.take_shown().is_empty());
}

#[test]
fn who_speaks_is_merged_from_what_changes() {
    let speaker = |sid: &str, level, active| proto::SpeakerInfo {
        sid: sid.to_owned(),
        level,
        active,
    };
    let changed = |speakers| Response::SpeakersChanged(proto::SpeakersChanged { speakers });
    let mut world = World::joined();
    world.update(&[infos::participant("a", &[]), infos::participant("b", &[])]);
    world.take_events();
    world.say(changed(vec![speaker("PA_a", 0.25, true)]));
    world.say(changed(vec![
        speaker("PA_b", 0.5, true),
        speaker("PA_nobody", 1.0, true),
    ]));
    world.say(changed(vec![speaker("PA_a", 0.0, false)]));
    world.say(changed(vec![speaker("PA_a", f32::NAN, false)]));
    assert_eq!(
        world.take_shown(),
        [
            "speak: [(\"a\", 0.25)]",
            "speak: [(\"b\", 0.5), (\"a\", 0.25)]",
            "speak: [(\"b\", 0.5)]"
        ]
    );
    world.update(&[infos::left(&infos::participant("b", &[]))]);
    assert_eq!(
        world.take_shown(),
        ["b left: CLIENT_INITIATED", "speak: []"]
    );
}

#[test]
fn quality_is_told_when_it_changes() {
    let mut world = World::joined();
    world.update(&[infos::participant("caller", &[])]);
    world.take_events();
    let quality = |sid: &str, quality: proto::ConnectionQuality| {
        Response::ConnectionQuality(proto::ConnectionQualityUpdate {
            updates: vec![proto::ConnectionQualityInfo {
                participant_sid: sid.to_owned(),
                quality: quality as i32,
                score: 1.0,
            }],
        })
    };
    world.say(quality("PA_caller", proto::ConnectionQuality::Excellent));
    world.say(quality("PA_caller", proto::ConnectionQuality::Excellent));
    world.say(quality("PA_agent", proto::ConnectionQuality::Lost));
    world.say(quality("PA_nobody", proto::ConnectionQuality::Lost));
    assert_eq!(world.take_shown(), ["caller: EXCELLENT", "agent: LOST"]);
}

#[test]
fn what_is_known_of_the_room_is_replaced() {
    let mut world = World::joined();
    world.take_events();
    let room = proto::Room {
        sid: "RM_1".to_owned(),
        name: "room".to_owned(),
        metadata: "new".to_owned(),
        num_participants: 2,
        ..Default::default()
    };
    for _ in 0..2 {
        world.say(Response::RoomUpdate(proto::RoomUpdate {
            room: Some(room.clone()),
        }));
    }
    assert_eq!(
        world.take_shown(),
        ["room updated", "room: \"\" -> \"new\""]
    );
}

#[test]
fn tokens_are_refreshed() {
    let mut world = World::joined();
    world.take_events();
    world.say(Response::RefreshToken("token-2".to_owned()));
    let events = world.take_events();
    let [Event::TokenRefreshed { token }] = events.as_slice() else {
        panic!("{events:?}");
    };
    assert_eq!(token.reveal(), "token-2");
    assert!(!format!("{events:?}").contains("token-2"));
    world.lose();
    assert!(world.urls[1].contains("access_token=token-2"));
}

#[test]
fn hostile_participants_are_ignored_and_counted() {
    let mut world = World::joined();
    world.take_events();
    let mut twice = infos::participant("b", &["TR_1", "TR_1", ""]);
    world.update(&[
        infos::participant("a", &["TR_a"]),
        proto::ParticipantInfo::default(),
    ]);
    twice.tracks.push(infos::track("TR_a"));
    world.update(&[twice]);
    // Somebody else with a sid that is taken.
    let mut thief = infos::participant("thief", &[]);
    thief.sid = "PA_a".to_owned();
    world.update(&[thief]);
    let mut us = infos::participant("us", &[]);
    us.sid = "PA_agent".to_owned();
    world.update(&[us]);
    assert_eq!(
        world.take_shown(),
        [
            "a came",
            "a has TR_a",
            "a is active",
            "b came",
            "b has TR_1",
            "b is active"
        ]
    );
    assert_eq!(world.counters().ignored, 6);
}

#[test]
fn a_million_participants_do_not_fill_the_memory() {
    let mut world = World::joined();
    for batch in 0..120 {
        let participants: Vec<_> = (0..200)
            .map(|number| {
                let mut info = infos::participant(&format!("p{batch}-{number}"), &[]);
                info.metadata = "x".repeat(2_000);
                info
            })
            .collect();
        world.update(&participants);
        world.take_events();
    }
    let ignored = world.counters().ignored;
    assert!((15_000..17_000).contains(&ignored), "{ignored} of 24,000");
}
