//! What an answer says of a media section that str0m keeps to itself.

use str0m::media::Pt;

/// The lines of one media section. RFC 8866, section 5.14.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AnswerSection<'a>(&'a str);

impl<'a> AnswerSection<'a> {
    /// The section of that mid.
    pub(crate) fn find(answer: &'a str, mid: &str) -> Option<Self> {
        answer
            .split("\nm=")
            .skip(1)
            .map(Self)
            .find(|section| section.values("mid:").any(|value| value == mid))
    }

    fn values(self, name: &'static str) -> impl Iterator<Item = &'a str> {
        self.0.lines().filter_map(move |line| {
            let attribute = line.trim_end().strip_prefix("a=")?;
            attribute.strip_prefix(name)
        })
    }

    /// Whether packets of this type that were missed may be asked for again. RFC 4585, section 4.2.
    pub(crate) fn repeats(self, payload_type: Pt) -> bool {
        let wanted = format!("{payload_type} nack");
        self.values("rtcp-fb:").any(|value| value == wanted)
    }

    /// The streams that it announces. RFC 5576, section 4.1.
    pub(crate) fn sources(self) -> Vec<u32> {
        let numbers = self.values("ssrc:").filter_map(|value| {
            let (number, _) = value.split_once(' ')?;
            number.parse().ok()
        });
        let mut sources: Vec<u32> = numbers.collect();
        sources.dedup();
        sources
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:a\r\na=rtcp-fb:111 nack\r\n\
        a=ssrc:17 cname:x\r\na=ssrc:17 msid:x\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:ab\r\na=rtcp-fb:111 nack pli\r\n";

    #[test]
    fn a_section_is_found_by_its_whole_name_and_says_its_own() {
        let section = AnswerSection::find(ANSWER, "a").expect("it is there");
        assert!(section.repeats(111.into()));
        assert!(!section.repeats(11.into()));
        assert_eq!(section.sources(), [17]);
        let other = AnswerSection::find(ANSWER, "ab").expect("it is there");
        assert!(!other.repeats(111.into()));
        assert!(other.sources().is_empty());
        assert!(AnswerSection::find(ANSWER, "b").is_none());
    }
}
