"""Every code in words, English and Chinese. A text names the particulars its note carries."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from shared.protocol.reason import HistoryEntry, Reason


class Language(str, Enum):
    ENGLISH = "en"
    CHINESE = "zh"


TEXTS: Mapping[Reason, tuple[str, str]] = {
    Reason.NEVER_ASKED: (
        "nobody has asked for this stream to be recorded",
        "没有人要求录制该流",
    ),
    Reason.ASKED_START: ("{who} asked for it to be recorded", "{who} 要求录制"),
    Reason.ASKED_AGAIN: (
        "{who} asked for it again; it was wanted already",
        "{who} 再次要求录制,此前已在录制计划中",
    ),
    Reason.ASKED_STOP: ("{who} asked for it to be stopped", "{who} 要求停止录制"),
    Reason.ASKED_EXTEND: ("{who} moved its end", "{who} 修改了结束时间"),
    Reason.ASKED_RESTART: ("{who} asked for the file to be cut now", "{who} 要求立即切分文件"),
    Reason.ASKED_CANCEL_DELAY: (
        "{who} asked for the file at once",
        "{who} 要求立即生成文件",
    ),
    Reason.RULE_RECORDS: ("the rule {rule} records it", "规则 {rule} 要求录制"),
    Reason.RULE_IGNORES: (
        "the rule {rule} leaves it alone until somebody asks",
        "规则 {rule} 不自动录制,除非有人要求",
    ),
    Reason.HELD: (
        "an explicit stop still holds; only an explicit start records it again",
        "手动停止仍然有效,只有再次手动开始才会录制",
    ),
    Reason.ONCE_PER_SESSION: (
        "policy records a session once, and this one has been ended",
        "策略对每次推流只录制一次,本次已结束",
    ),
    Reason.SESSION_OVER: (
        "the session it was to record is over",
        "要录制的那次推流已经结束",
    ),
    Reason.TIME_OVER: ("its time is over", "录制时长已到"),
    Reason.NEVER_LIVE: (
        "policy wanted it and it never came up within 24 hours",
        "策略要求录制,但 24 小时内从未开播",
    ),
    Reason.GAVE_UP_NOT_LIVE: (
        "it was to be recorded only if live, and it was not",
        "要求仅在直播中录制,而该流未在直播",
    ),
    Reason.NOTHING_TO_UNDO: (
        "nothing had been sent for it yet, so there is nothing to stop",
        "尚未发送过任何命令,无需停止",
    ),
    Reason.ASKED_BEFORE: (
        "the same request was made before; nothing was changed",
        "相同的请求此前已处理,未做任何更改",
    ),
    Reason.KEY_REUSED: (
        "this Idempotency-Key was used with another request: take a new key",
        "该 Idempotency-Key 已用于其他请求,请换一个新的",
    ),
    Reason.NOT_WANTED: (
        "it is not wanted now: start it first",
        "当前不需要录制,请先开始",
    ),
    Reason.WANTED: (
        "it is wanted now: stop it first",
        "当前正需要录制,请先停止",
    ),
    Reason.PUBLISHED: ("the stream came up (session {session})", "流已开播(第 {session} 次)"),
    Reason.PUBLISHED_TWICE: ("the same publish was reported again", "重复的开播通知"),
    Reason.PUBLISHED_LATE: (
        "a publish was reported late, of an earlier session",
        "迟到的开播通知,属于之前的推流",
    ),
    Reason.PUBLISHED_UNSEEN: (
        "a later publish was reported; it would end what is wanted, so a look decides",
        "收到更晚的开播通知,它会结束当前的录制要求,将先查询确认",
    ),
    Reason.PUBLISH_TIME_LEARNT: (
        "the publish callback came after the online list had shown the stream",
        "在线列表先显示该流,随后收到开播通知",
    ),
    Reason.UNPUBLISHED: (
        "the stream is said to have gone; a look will tell",
        "收到断流通知,将查询确认",
    ),
    Reason.UNPUBLISHED_LATE: (
        "an end was reported late, of an earlier session",
        "迟到的断流通知,属于之前的推流",
    ),
    Reason.UNPUBLISHED_TWICE: (
        "an end was reported of a stream that was not live",
        "收到断流通知,但该流并未在直播",
    ),
    Reason.SEEN_ONLINE: (
        "the online list shows it (session {session}); no callback had said so",
        "在线列表显示该流(第 {session} 次),但没有收到通知",
    ),
    Reason.SEEN_AGAIN: (
        "the online list shows that it is still there",
        "在线列表显示该流仍在直播",
    ),
    Reason.SEEN_STALE: ("the online list showed an older state", "在线列表显示的是旧状态"),
    Reason.NOT_SEEN: ("the online list does not show it", "在线列表中没有该流"),
    Reason.WENT_OFF: ("the stream is off", "该流已下线"),
    Reason.SENT: ("{command} was sent because: {reason}", "已发送 {command},原因:{reason}"),
    Reason.QUEUED: ("its command waits for its turn", "命令正在排队"),
    Reason.NO_QUOTA: (
        "as many streams as max_concurrent allows are recorded; it waits for a place",
        "同时录制的流数已达上限 max_concurrent,正在等待空位",
    ),
    Reason.WITHHELD: (
        "its start was withheld: the stream is off",
        "该流已下线,开始命令未发送",
    ),
    Reason.FINALIZE: (
        "the file is wanted at once, without the merge delay",
        "要求立即生成文件,不等待合并间隔",
    ),
    Reason.REASSERT: (
        "an earlier command was in doubt and may have landed late, so what is wanted is said again",
        "之前的命令结果不明,可能延迟生效,因此再次发送所需命令",
    ),
    Reason.REASSERT_EARLY: (
        "Live reported the opposite while an earlier command was in doubt",
        "之前的命令结果不明,直播服务又报告了相反状态",
    ),
    Reason.STREAM_RETURNED: (
        "the stream came back after a stop had found it gone",
        "停止时流已断开,随后流又恢复",
    ),
    Reason.UNCONFIRMED: (
        "Live accepted the start and reported nothing since",
        "直播服务接受了开始命令,但此后没有任何报告",
    ),
    Reason.UNPROVED: (
        "Live said that it records already, but nothing proves that it is not paused",
        "直播服务表示已在录制,但无法证明没有暂停",
    ),
    Reason.OBSERVED: (
        "{command} would have been sent; this stage only observes",
        "本应发送 {command},但当前环境只观察",
    ),
    Reason.ACCEPTED: ("Live accepted {command}", "直播服务接受了 {command}"),
    Reason.ALREADY: ("Live records it already", "直播服务已在录制"),
    Reason.ADOPTED: (
        "Live says that it records already, and so soon after an interruption it may be paused",
        "直播服务表示已在录制,但刚停止或中断不久,可能处于暂停",
    ),
    Reason.OVER: ("Live had nothing left to end", "直播服务上已没有可结束的录制"),
    Reason.OVER_UNPROVED: (
        "Live refused {command} with {code}: taken as over, check it",
        "直播服务以 {code} 拒绝了 {command},视为已结束,请核实",
    ),
    Reason.NOT_LIVE: ("the stream is not live", "该流未在直播"),
    Reason.NOT_LIVE_YET: (
        "the stream was published and Live does not know it yet",
        "该流刚开播,直播服务尚未就绪",
    ),
    Reason.NO_RECORD_CONFIG: (
        "no recording configuration covers the stream: create one with OnDemand 7 and push again",
        "没有匹配该流的录制配置:请创建 OnDemand 为 7 的配置并重新推流",
    ),
    Reason.WRONG_DOMAIN: (
        "Live does not know this domain: it must be the main streaming domain",
        "直播服务不认识该域名:必须使用主播流域名",
    ),
    Reason.REJECTED: ("Live rejected {command} with {code}", "直播服务以 {code} 拒绝了 {command}"),
    Reason.UNKNOWN_REJECTION: (
        "Live refused {command} with {code}, which nobody documented",
        "直播服务以未公开的错误码 {code} 拒绝了 {command}",
    ),
    Reason.THROTTLED: (
        "Live throttled {command}: the account sends more than 50 commands a second",
        "直播服务对 {command} 限流:账号每秒命令数超过 50",
    ),
    Reason.NEVER_SENT: ("{command} never reached Live", "{command} 未能到达直播服务"),
    Reason.UNAVAILABLE: ("Live was unavailable", "直播服务暂时不可用"),
    Reason.IN_DOUBT: (
        "no clear answer to {command}: it may have been done",
        "{command} 没有明确的结果,可能已经生效",
    ),
    Reason.ANSWER_LOST: (
        "the answer to {command} was lost: it may have been done",
        "{command} 的结果丢失,可能已经生效",
    ),
    Reason.OPERATOR_ACTION_NEEDED: (
        "Live refuses our credentials, permission or clock ({code}): an operator must mend that",
        "直播服务拒绝了我们的凭证、权限或时钟({code}),需要运维处理",
    ),
    Reason.LATE_ANSWER: (
        "an answer came too late to count ({answer})",
        "结果到达过晚,未计入({answer})",
    ),
    Reason.OLD_SESSION: (
        "Live answered {command} for a session that is over",
        "{command} 的结果属于已结束的推流",
    ),
    Reason.RESTART_UNKNOWN: (
        "nobody knows whether the restart was done; it is never repeated",
        "无法得知切分是否完成,不会重复发送",
    ),
    Reason.CONFIRMED: ("Live reports that it records ({what})", "直播服务报告正在录制({what})"),
    Reason.PAUSED: (
        "Live reports that it does not record ({what})",
        "直播服务报告未在录制({what})",
    ),
    Reason.UNMANAGED: (
        "it is being recorded although nobody asked us; we leave it alone",
        "该流正在被录制,但并非由我们管理,不做干预",
    ),
    Reason.RECORD_ERROR: (
        "Live could not record it: {code} {message}. {mend}",
        "直播服务录制失败:{code} {message}。{mend}",
    ),
    Reason.REPORTED_LATE: (
        "Live's report ({what}) is of an earlier time, and nothing of now is read from it",
        "直播服务的上报({what})属于更早的时间,不据此判断当前状态",
    ),
    Reason.FILE: ("a file was left: {uri}", "生成了文件:{uri}"),
    Reason.FILE_FAILED: (
        "a file was lost ({event}): {code} {message} {uri}. {mend}",
        "文件丢失({event}):{code} {message} {uri}。{mend}",
    ),
    Reason.ON_DEMAND: (
        "Live asked as the stream began, and was told to record it",
        "推流开始时直播服务询问是否录制,回答为录制",
    ),
    Reason.ON_DEMAND_DECLINED: (
        "Live asked as the stream began, and was told not to record it",
        "推流开始时直播服务询问是否录制,回答为不录制",
    ),
    Reason.EXCEPTION: (
        "Live reports an exception of the stream: {what}",
        "直播服务报告该流异常:{what}",
    ),
    Reason.SWITCHED: (
        "Live switched between the two publishers of the stream: {what}",
        "直播服务在该流的两路推流之间切换:{what}",
    ),
    Reason.FORGED: (
        "a callback was refused because nothing proved that Live sent it",
        "收到无法证明来自直播服务的回调,已拒绝",
    ),
    Reason.UNKNOWN: (
        "a later release noted this, and this one does not know it: {code}",
        "较新版本的记录,当前版本无法识别:{code}",
    ),
}


def text(entry: HistoryEntry, language: Language = Language.ENGLISH) -> str:
    """The note in words. A particular that is itself a code is put in words too."""
    known = entry.code if entry.code in TEXTS else Reason.UNKNOWN
    template = TEXTS[known][1 if language is Language.CHINESE else 0]
    named = {"code": entry.code.value} if known is Reason.UNKNOWN else {}
    about = {
        "mend": _mend(entry, language),
        "rule": entry.about.get("who", "-"),
        **entry.about,
        **named,
    }
    if about.get("reason") in _BY_VALUE:
        cause = TEXTS[_BY_VALUE[str(about["reason"])]][1 if language is Language.CHINESE else 0]
        about["reason"] = cause.format_map(_Particulars(about))
    return template.format_map(_Particulars(about))


def _mend(entry: HistoryEntry, language: Language) -> str:
    mend = MENDS.get(str(entry.about.get("code")), _LOOK_UP)
    return mend[1 if language is Language.CHINESE else 0]


_LOOK_UP = ("See what Live's documentation says of this code", "请在直播服务文档中查找该错误码")
_BUCKET = (
    "Create the OSS bucket that the recording configuration names, or name another",
    "请创建录制配置中的 OSS Bucket,或更换为已有的 Bucket",
)
_AUTHORIZE = (
    "Authorize ApsaraVideo Live to write to the OSS bucket",
    "请授权直播服务写入 OSS Bucket",
)
_CODEC = (
    "Push H.264, HEVC or MPEG-4 video with AAC or MP3 audio",
    "请使用 H.264、HEVC 或 MPEG-4 视频和 AAC 或 MP3 音频推流",
)
_SOURCE = (
    "The source file is damaged or gone: use the other format of the same recording",
    "源文件已损坏或不存在,请使用同一录制的其他格式",
)

MENDS: Mapping[str, tuple[str, str]] = {
    "BucketNotFound": _BUCKET,
    "AccessDenied": _AUTHORIZE,
    "UserDisable": _AUTHORIZE,
    "PermissionDenied.ResourceAccess": _AUTHORIZE,
    "StreamFormatError": _CODEC,
    "TsSegmenterFail": _CODEC,
    "InvalidParameter.ResourceContentBad": _SOURCE,
    "InvalidParameter.ResourceNotFound": _SOURCE,
}
"""What mends each error of recording that Live documents (docs/platform/live.md §4)."""


class _Particulars(dict[str, "str | int"]):
    """A particular that an older release did not note is shown as a dash."""

    def __missing__(self, name: str) -> str:
        return "-"


_BY_VALUE = {code.value: code for code in Reason}
