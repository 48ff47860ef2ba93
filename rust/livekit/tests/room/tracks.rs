//! Tracks of ours and of others.

use crate::support::peers::Asked;
use crate::support::{World, config, infos};
use beluga_livekit::{Command, ErrorCode, Event, LocalTrackId, Outcome, TrackPermission};
use beluga_webrtc::Mid;
use livekit_protocol as proto;
use livekit_protocol::request_response::{Reason, Request as Echo};
use livekit_protocol::signal_request::Message as Request;
use livekit_protocol::signal_response::Message as Response;

const VOICE: LocalTrackId = LocalTrackId(1);

fn publish(world: &mut World) -> (beluga_livekit::CommandId, proto::AddTrackRequest) {
    let id = world.ask(Command::Publish {
        track: VOICE,
        options: infos::microphone("voice"),
    });
    let requests = world.take_requests();
    let add = requests.iter().find_map(|request| match request {
        Request::AddTrack(add) => Some(add.clone()),
        _ => None,
    });
    (id, add.expect("a request to publish"))
}

#[test]
fn a_track_is_published_when_it_has_a_sid_and_a_section() {
    let mut world = World::joined();
    world.take_events();
    let (id, request) = publish(&mut world);
    assert_eq!(request.source, proto::TrackSource::Microphone as i32);
    world.publish(&request, "TR_");
    assert!(world.result(id).is_none(), "there is no section yet");
    world.answer(&[]);
    let Some(Ok(Outcome::Published(info))) = world.result(id) else {
        panic!("{:?}", world.result(id));
    };
    assert_eq!(info.sid, "TR_voice");
    assert_eq!(world.take_shown(), ["our 1 is TR_voice"]);
    world.say(Response::TrackSubscribed(proto::TrackSubscribed {
        track_sid: "TR_voice".to_owned(),
    }));
    assert_eq!(world.take_shown(), ["our 1 is heard"]);
}

#[test]
fn the_request_to_publish_comes_before_the_offer_that_holds_the_track() {
    let mut world = World::joined();
    world.take_requests();
    world.ask(Command::Publish {
        track: VOICE,
        options: infos::microphone("voice"),
    });
    let kinds: Vec<&str> = world
        .take_requests()
        .iter()
        .map(|request| match request {
            Request::AddTrack(_) => "add",
            Request::Offer(_) => "offer",
            _ => "other",
        })
        .collect();
    assert_eq!(kinds, ["add", "offer"]);
}

#[test]
fn a_track_that_the_server_refuses_is_taken_back() {
    let mut world = World::joined();
    let (id, request) = publish(&mut world);
    world.say(Response::RequestResponse(proto::RequestResponse {
        reason: Reason::Queued as i32,
        request: Some(Echo::AddTrack(request.clone())),
        ..Default::default()
    }));
    assert!(world.result(id).is_none(), "it is only queued");
    world.say(Response::RequestResponse(proto::RequestResponse {
        reason: Reason::NotAllowed as i32,
        message: "does not have permission".to_owned(),
        request: Some(Echo::AddTrack(request)),
        ..Default::default()
    }));
    let error = world.result(id).cloned().unwrap().unwrap_err();
    assert_eq!(error.code, ErrorCode::AuthorizationFailed);
    world.answer(&[]);
    // The section that it had is stopped with the next offer.
    let stop =
        world.peer().get().asked.iter().any(
            |asked| matches!(asked, Asked::Offer { stop, .. } if *stop == [Mid("0".to_owned())]),
        );
    assert!(stop);
    assert!(
        world
            .take_shown()
            .iter()
            .all(|shown| !shown.starts_with("our"))
    );
}

#[test]
fn a_server_that_does_not_answer_is_waited_for_ten_seconds() {
    let mut world = World::joined();
    let (id, _) = publish(&mut world);
    world.answer(&[]);
    world.keep_alive_ms(9_900);
    assert!(world.result(id).is_none());
    world.keep_alive_ms(200);
    let error = world.result(id).cloned().unwrap().unwrap_err();
    assert_eq!(error.code, ErrorCode::Timeout);
}

#[test]
fn a_track_whose_permission_is_gone_is_taken_away() {
    let mut world = World::joined();
    world.publish_voice(VOICE);
    world.take_events();
    world.say(Response::TrackUnpublished(
        proto::TrackUnpublishedResponse {
            track_sid: "TR_voice".to_owned(),
        },
    ));
    assert_eq!(world.take_shown(), ["our 1 is gone"]);
    let again = world.ask(Command::Mute {
        track: VOICE,
        muted: true,
    });
    let error = world.result(again).cloned().unwrap().unwrap_err();
    assert_eq!(error.code, ErrorCode::NotFound);
}

#[test]
fn a_track_that_is_taken_back_can_be_published_again() {
    let mut world = World::joined();
    world.publish_voice(VOICE);
    let gone = world.ask(Command::Unpublish { track: VOICE });
    assert!(world.result(gone).is_some_and(Result::is_ok));
    world.answer(&[]);
    world.take_events();
    world.publish_voice(VOICE);
    assert_eq!(world.take_shown(), ["our 1 is TR_voice"]);
}

#[test]
fn mute_is_told_to_the_server_once_and_the_servers_mute_is_not_answered() {
    let mut world = World::joined();
    world.publish_voice(VOICE);
    world.take_events();
    world.take_requests();
    for muted in [true, true, false] {
        world.ask(Command::Mute {
            track: VOICE,
            muted,
        });
    }
    let requests = world.take_requests();
    let muted: Vec<bool> = requests
        .iter()
        .filter_map(|request| match request {
            Request::Mute(mute) => Some(mute.muted),
            _ => None,
        })
        .collect();
    assert_eq!(muted, [true, false]);
    world.say(Response::Mute(proto::MuteTrackRequest {
        sid: "TR_voice".to_owned(),
        muted: true,
    }));
    assert!(world.take_requests().is_empty());
    assert_eq!(
        world.take_shown(),
        [
            "TR_voice is muted",
            "TR_voice is unmuted",
            "TR_voice is muted"
        ]
    );
}

#[test]
fn sections_are_added_as_the_server_needs_them_one_offer_at_a_time() {
    let mut world = World::joined();
    world.update(&[
        infos::participant("a", &["TR_a"]),
        infos::participant("b", &["TR_b"]),
    ]);
    world.take_events();
    let needs = |num_audios| {
        Response::MediaSectionsRequirement(proto::MediaSectionsRequirement {
            num_audios,
            num_videos: 0,
        })
    };
    world.say(needs(1));
    // A second voice while the first offer is under way: asked for now, and once more when the answer was given.
    world.say(needs(1));
    world.answer(&[("0", "TR_a")]);
    world.say(needs(1));
    world.answer(&[("0", "TR_a"), ("1", "TR_b")]);
    assert_eq!(world.take_shown(), ["hear TR_a", "hear TR_b"]);
    let sections: usize = world
        .peer()
        .get()
        .asked
        .iter()
        .map(|asked| match asked {
            Asked::Offer { receive, .. } => *receive,
            _ => 0,
        })
        .sum();
    assert_eq!(sections, 2);
}

#[test]
fn a_section_that_is_free_is_used_again() {
    let mut world = World::joined();
    let a = infos::participant("a", &["TR_a"]);
    world.update(std::slice::from_ref(&a));
    world.subscribe(1, &[("0", "TR_a")]);
    world.update(&[infos::left(&a)]);
    world.subscribe(0, &[]);
    world.take_events();
    world.update(&[infos::participant("b", &["TR_b"])]);
    world.subscribe(0, &[("0", "TR_b")]);
    assert!(world.take_shown().contains(&"hear TR_b".to_owned()));
}

#[test]
fn sound_may_come_before_the_word_that_its_track_is_there() {
    let mut world = World::joined();
    world.subscribe(1, &[("0", "TR_a")]);
    world.take_events();
    world.update(&[infos::participant("a", &["TR_a"])]);
    assert_eq!(
        world.take_shown(),
        ["a came", "a has TR_a", "a is active", "hear TR_a"]
    );
}

#[test]
fn sections_that_we_do_not_have_carry_nothing() {
    let mut world = World::joined();
    world.publish_voice(VOICE);
    world.update(&[infos::participant("a", &["TR_a"])]);
    world.take_events();
    // Our own section, and one out of nowhere.
    world.subscribe(0, &[("0", "TR_a"), ("77", "TR_a")]);
    assert!(world.take_shown().is_empty());
}

#[test]
fn what_is_not_wanted_is_not_heard_and_can_be_wanted_again() {
    let mut world = World::joined();
    world.update(&[infos::participant("a", &["TR_a"])]);
    world.subscribe(1, &[("0", "TR_a")]);
    world.take_events();
    world.take_requests();
    let subscribe = |world: &mut World, subscribed| {
        world.ask(Command::Subscribe {
            track_sid: "TR_a".to_owned(),
            subscribed,
        })
    };
    subscribe(&mut world, false);
    let Some(Request::Subscription(update)) = world.take_requests().pop() else {
        panic!("no request");
    };
    assert_eq!(
        (update.track_sids, update.subscribe),
        (vec!["TR_a".to_owned()], false)
    );
    assert_eq!(update.participant_tracks[0].participant_sid, "PA_a");
    // An answer that was under way says that it is there still.
    world.subscribe(0, &[("0", "TR_a")]);
    assert_eq!(world.take_shown(), ["hear no TR_a"]);
    subscribe(&mut world, true);
    assert_eq!(world.take_shown(), ["hear TR_a"]);
    let unknown = world.ask(Command::Subscribe {
        track_sid: "TR_x".to_owned(),
        subscribed: true,
    });
    let error = world.result(unknown).cloned().unwrap().unwrap_err();
    assert_eq!(error.code, ErrorCode::NotFound);
}

#[test]
fn a_publisher_may_forbid_and_allow() {
    let mut world = World::joined();
    world.update(&[infos::participant("a", &["TR_a"])]);
    world.subscribe(1, &[("0", "TR_a")]);
    world.take_events();
    for allowed in [false, true] {
        world.say(Response::SubscriptionPermissionUpdate(
            proto::SubscriptionPermissionUpdate {
                participant_sid: "PA_a".to_owned(),
                track_sid: "TR_a".to_owned(),
                allowed,
            },
        ));
    }
    assert_eq!(
        world.take_shown(),
        [
            "may hear TR_a: false",
            "hear no TR_a",
            "may hear TR_a: true",
            "hear TR_a"
        ]
    );
}

#[test]
fn a_track_that_cannot_be_heard_is_named() {
    let mut world = World::joined();
    world.take_events();
    world.say(Response::SubscriptionResponse(
        proto::SubscriptionResponse {
            track_sid: "TR_x".to_owned(),
            err: proto::SubscriptionError::SeTrackNotfound as i32,
        },
    ));
    assert_eq!(world.take_shown(), ["cannot hear TR_x: not_found"]);
}

#[test]
fn video_is_declined_and_its_sections_are_not_offered_for_ever() {
    let mut world = World::joined();
    world.take_requests();
    let mut a = infos::participant("a", &["TR_v"]);
    a.tracks[0].r#type = proto::TrackType::Video as i32;
    world.update(&[a]);
    assert!(matches!(
        world.take_requests().as_slice(),
        [Request::Subscription(update)] if !update.subscribe
    ));
    let offers = world.offers.len();
    world.say(Response::MediaSectionsRequirement(
        proto::MediaSectionsRequirement {
            num_audios: 0,
            num_videos: 1,
        },
    ));
    assert_eq!(world.offers.len(), offers);
    let id = world.ask(Command::Subscribe {
        track_sid: "TR_v".to_owned(),
        subscribed: true,
    });
    let error = world.result(id).cloned().unwrap().unwrap_err();
    assert!(error.message.contains("media=\"sdk\""));
}

#[test]
fn who_may_hear_us_is_said_when_a_track_has_its_sid() {
    let mut world = World::joined();
    world.ask(Command::PermitSubscriptions {
        all_participants: false,
        permissions: vec![TrackPermission {
            identity: "caller".to_owned(),
            all_tracks: false,
            tracks: vec![VOICE],
        }],
    });
    let sids = |world: &mut World| -> Vec<Vec<String>> {
        let requests = world.take_requests();
        requests
            .into_iter()
            .filter_map(|request| match request {
                Request::SubscriptionPermission(permission) => {
                    assert!(!permission.all_participants);
                    Some(permission.track_permissions[0].track_sids.clone())
                }
                _ => None,
            })
            .collect()
    };
    let none: Vec<String> = Vec::new();
    assert_eq!(sids(&mut world), [none]);
    world.publish_voice(VOICE);
    assert_eq!(sids(&mut world), [["TR_voice".to_owned()]]);
}

#[test]
fn changing_ourselves_waits_for_the_servers_word() {
    let mut world = World::joined();
    world.take_requests();
    let ask = |world: &mut World| {
        world.ask(Command::UpdateSelf {
            metadata: Some("m".to_owned()),
            name: None,
            attributes: [("k".to_owned(), "v".to_owned())].into(),
        })
    };
    let (allowed, refused, late) = (ask(&mut world), ask(&mut world), ask(&mut world));
    let numbers: Vec<u32> = world
        .take_requests()
        .iter()
        .filter_map(|request| match request {
            Request::UpdateMetadata(update) => Some(update.request_id),
            _ => None,
        })
        .collect();
    let answer = |request_id, reason: Reason| {
        Response::RequestResponse(proto::RequestResponse {
            request_id,
            reason: reason as i32,
            ..Default::default()
        })
    };
    world.say(answer(numbers[1], Reason::NotAllowed));
    world.say(answer(numbers[0], Reason::Ok));
    assert!(world.result(allowed).is_some_and(Result::is_ok));
    let error = world.result(refused).cloned().unwrap().unwrap_err();
    assert_eq!(error.code, ErrorCode::AuthorizationFailed);
    world.keep_alive_ms(5_100);
    let error = world.result(late).cloned().unwrap().unwrap_err();
    assert_eq!(error.code, ErrorCode::Timeout);
    let long = world.ask(Command::UpdateSelf {
        metadata: None,
        name: Some("x".repeat(257)),
        attributes: [].into(),
    });
    let error = world.result(long).cloned().unwrap().unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidInput);
}

#[test]
fn a_publication_that_nobody_waits_for_any_more_is_taken_back() {
    let mut world = World::joined();
    let (id, request) = publish(&mut world);
    world.cancel(id);
    let error = world.result(id).cloned().unwrap().unwrap_err();
    assert_eq!(error.code, ErrorCode::ContextCanceled);
    world.publish(&request, "TR_");
    world.answer(&[]);
    let events = world.take_events();
    let published = |event: &Event| matches!(event, Event::LocalTrackPublished { .. });
    assert!(!events.iter().any(published));
}

#[test]
fn without_automatic_subscription_only_what_is_asked_for_is_heard() {
    let mut config = config();
    config.auto_subscribe = false;
    let mut world = World::joined_with(config, infos::join(&[infos::participant("a", &["TR_a"])]));
    let settings = world.joins[0].connection_settings;
    assert!(!settings.unwrap().auto_subscribe);
    world.take_requests();
    world.ask(Command::Subscribe {
        track_sid: "TR_a".to_owned(),
        subscribed: true,
    });
    assert!(matches!(
        world.take_requests().as_slice(),
        [Request::Subscription(update)] if update.subscribe
    ));
    world.subscribe(1, &[("0", "TR_a")]);
    assert!(world.take_shown().contains(&"hear TR_a".to_owned()));
}
