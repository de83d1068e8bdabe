"""What may be set for a web application: the URL to fetch, its thresholds, optional credentials."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urljoin, urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, SecretStr

from opsteward.contracts.connector import SystemRef, parse_fields, split_endpoint
from opsteward.contracts.thresholds import Thresholds, condition_over
from opsteward.core.conditions import parse_condition
from opsteward.core.errors import Invalid
from opsteward.core.tls_look import trusting
from opsteward.integrations.web.steps import EXPECTED_VALUES, Steps, unknown_name


def _status_ranges(value: object) -> tuple[tuple[int, int], ...]:
    """Ranges from 204, "200-399", "200,204,300-399" or a list of such."""
    parts = value if isinstance(value, (list, tuple)) else [value]
    if not parts:
        raise ValueError("expected at least one status code")
    ranges: list[tuple[int, int]] = []
    for part in (piece for item in parts for piece in str(item).split(",")):
        low, _, high = part.strip().partition("-")
        if not (
            part.isascii() and low.isdigit() and (high or low).isdigit() and 100 <= int(low) <= int(high or low) <= 599
        ):
            raise ValueError('expected status codes as 204, "200-399" or a list of them')
        ranges.append((int(low), int(high or low)))
    return tuple(ranges)


StatusRanges = Annotated[tuple[tuple[int, int], ...], BeforeValidator(_status_ranges)]


def _certificates(text: str) -> str:
    if text:
        trusting(text)
    return text


RelativePath = Annotated[str, Field(min_length=1, max_length=1000, pattern=r"^/([^/\s]\S*)?$")]
OperatorName = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[A-Za-z0-9_-]+$")]


class ApiPromise(BaseModel):
    """Which paths of an API are looked at, and what they are held against: the path of its OpenAPI document (JSON), or
    answers that were recorded, by path."""

    model_config = ConfigDict(extra="forbid")

    openapi: Annotated[str, Field(max_length=1000, pattern=r"^(/[^/\s]\S*)?$")] = ""
    paths: Annotated[tuple[RelativePath, ...], Field(max_length=20)] = ()
    recorded: dict[str, JsonValue] = Field(default_factory=dict, max_length=20)


class OperatorEndpoint(BaseModel):
    """One endpoint for operators; without `expect` any status below 400 is well."""

    model_config = ConfigDict(extra="forbid")

    url: RelativePath
    expect: Annotated[str, Field(max_length=500), AfterValidator(condition_over(EXPECTED_VALUES))] = ""


class WebSettings(Thresholds):
    """A system's own `settings`, as far as they concern its web side. Times in seconds."""

    expect_status: StatusRanges = ((200, 399),)
    expect: Annotated[str, AfterValidator(condition_over(EXPECTED_VALUES))] = ""
    #: A visit in several steps, in the place of one look at the health page.
    steps: Steps = ()
    #: The page and its files are looked at with each check, and not in a diagnosis alone.
    watch_page: bool = False
    #: Texts that the page must show.
    page_contains: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=500)], ...], Field(max_length=20)] = ()
    certificate_authority: Annotated[str, Field(max_length=100_000), AfterValidator(_certificates)] = ""
    certificate_warn_days: float = Field(default=14.0, ge=0, le=3650)
    api: ApiPromise = ApiPromise()
    operator: Annotated[dict[OperatorName, OperatorEndpoint], Field(max_length=20)] = Field(default_factory=dict)

    @property
    def condition_names(self) -> frozenset[str]:
        return parse_condition(self.expect).names if self.expect else frozenset()

    def expects(self, status: int) -> bool:
        """A condition that speaks of the status stands for itself, unless both are set."""
        if "expect_status" not in self.model_fields_set and "status" in self.condition_names:
            return True
        return any(low <= status <= high for low, high in self.expect_status)


class WebCredentials(BaseModel):
    """Either a bearer token or a user name with password; neither is needed for an open page. `operator_token` is for
    the operators' endpoints."""

    username: str = ""
    password: SecretStr = SecretStr("")
    token: SecretStr = SecretStr("")
    operator_token: SecretStr = SecretStr("")


class WebConfig(BaseModel):
    """Everything one look at a web application needs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str
    #: The endpoint itself, for people; the same where there is no health page.
    page_url: str
    settings: WebSettings
    credentials: WebCredentials


def config_from(target: SystemRef, credentials: Mapping[str, str]) -> WebConfig:
    """The health page (else the endpoint) and its thresholds. Raises `Invalid` naming the field at fault."""
    base = _http_url(target.endpoint, "endpoint")
    url = base
    if target.health_check_url:
        split_endpoint(target.health_check_url, field_name="health_check_url")  # urljoin raises on what is no URL
        url = _http_url(urljoin(base, target.health_check_url), "health_check_url")
    settings = parse_fields(WebSettings, target.settings, prefix="settings")
    if strange := unknown_name(settings.steps):
        place, name = strange
        raise Invalid.field(
            f"settings.steps.{place}",
            f"names ${{{name}}}, which no earlier step extracts",
            "extract it in an earlier step; username, password and token are the credentials",
        )
    same_origin = urlsplit(url)[:2] == urlsplit(base)[:2]
    return WebConfig(
        url=url,
        page_url=base,
        settings=settings,
        # The credentials belong to the endpoint: a health page elsewhere is fetched without them.
        credentials=parse_fields(WebCredentials, credentials if same_origin else {}, prefix="credentials"),
    )


def _http_url(url: str, field_name: str) -> str:
    parts = split_endpoint(url, field_name=field_name)
    if parts.scheme not in {"http", "https"}:
        raise Invalid.field(field_name, "is not an http or https URL")
    if not parts.hostname:
        raise Invalid.field(field_name, "names no host")
    if parts.username:
        raise Invalid.field(field_name, "holds a user name", "put it into the system's credentials")
    return url
