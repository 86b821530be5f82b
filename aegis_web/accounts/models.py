"""Who signs in: accounts, their roles, and the one-time links of the first start."""

from datetime import datetime

from flask_security import AsaList, RoleMixin, UserMixin
from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
)
from sqlalchemy.ext.mutable import MutableList
from sqlalchemy.orm import Mapped, mapped_column, relationship

from aegis_web.accounts.rights import ROLES, Right, right_of
from aegis_web.database import BigKey, Document, Instant, Model

ADMIN = "admin"

account_roles = Table(
    "account_roles",
    Model.metadata,
    Column("account_id", ForeignKey("accounts.id"), primary_key=True),
    Column("role_id", ForeignKey("roles.id"), primary_key=True),
)


class Role(Model, RoleMixin):
    """A named set of rights; which, says `accounts/rights.py`."""

    __tablename__ = "roles"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    name: Mapped[str] = mapped_column(String(80), unique=True)
    description: Mapped[str | None] = mapped_column(String(255))
    permissions: Mapped[list[str] | None] = mapped_column(MutableList.as_mutable(AsaList()))


class Account(Model, UserMixin):
    """A person who signs in."""

    __tablename__ = "accounts"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    email: Mapped[str] = mapped_column(String(255), unique=True)
    password: Mapped[str | None] = mapped_column(String(255))
    active: Mapped[bool] = mapped_column(default=True)
    fs_uniquifier: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(Instant)
    zone: Mapped[str | None]  # how this person sees times; None: as the browser says
    preferences: Mapped[dict[str, str] | None] = mapped_column(Document)  # None: nothing chosen
    only_tags: Mapped[list[str] | None] = mapped_column(Document)  # None: not restricted
    roles: Mapped[list[Role]] = relationship(  # type: ignore[assignment]  # UserMixin: RoleMixin
        secondary=account_roles, lazy="joined"
    )

    @property
    def role(self) -> str | None:
        """The strongest of its roles; None where it has none that this release knows."""
        known = [role.name for role in self.roles if role.name in ROLES]
        return max(known, key=ROLES.__getitem__, default=None)

    @property
    def right(self) -> Right:
        """What this person may do."""
        return right_of([role.name for role in self.roles])

    @property
    def sees(self) -> list[str] | None:
        """The tags of the jobs that this person sees; None: all, as administrators always do."""
        return self.only_tags if self.right < Right.ADMIN else None


class AccountSession(Model):
    """A browser that has signed in. Its cookie holds a key of which only the hash is kept."""

    __tablename__ = "sessions"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    key_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    account_id: Mapped[int] = mapped_column(
        ForeignKey("accounts.id", ondelete="CASCADE"), index=True
    )
    created_at: Mapped[datetime] = mapped_column(Instant)
    seen_at: Mapped[datetime] = mapped_column(Instant)  # of use by a person, within a minute
    address: Mapped[str]  # from where it signed in
    agent: Mapped[str]  # what the browser says it is
    data: Mapped[str]  # what Flask keeps in a session, as tagged JSON


class AccountIdentity(Model):
    """Who opens an account through a provider of single sign-on."""

    __tablename__ = "account_identities"
    __table_args__ = (
        UniqueConstraint("issuer", "subject"),
        UniqueConstraint("account_id", "issuer"),
    )

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"))
    issuer: Mapped[str] = mapped_column(String(500))
    subject: Mapped[str] = mapped_column(String(255))  # what the provider calls the person for good
    email: Mapped[str] = mapped_column(String(255))  # as the provider said when it was connected
    made_at: Mapped[datetime] = mapped_column(Instant)


class SignInAttempts(Model):
    """How often in a row sign-in has failed for one account, address, or the two together."""

    __tablename__ = "sign_in_attempts"

    key_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    failures: Mapped[int]
    failed_at: Mapped[datetime] = mapped_column(Instant, index=True)
    next_at: Mapped[datetime] = mapped_column(Instant)  # before that nothing is tried


class PasswordLink(Model):
    """A link by which one person chooses a password once; only the hash of its token is kept."""

    __tablename__ = "password_links"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    token_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    account_id: Mapped[int] = mapped_column(
        ForeignKey("accounts.id", ondelete="CASCADE"), index=True
    )
    made_at: Mapped[datetime] = mapped_column(Instant)
    ends_at: Mapped[datetime] = mapped_column(Instant)


class SecondFactor(Model):
    """What the authenticator app of an account knows too; no row: the password is enough."""

    __tablename__ = "second_factors"

    account_id: Mapped[int] = mapped_column(
        ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    sealed: Mapped[str]  # the secret, by the vault
    made_at: Mapped[datetime] = mapped_column(Instant)
    last_counter: Mapped[int] = mapped_column(BigInteger)  # the half minute of the last code


class RecoveryCode(Model):
    """A code that stands in for the app once; only its hash is kept."""

    __tablename__ = "recovery_codes"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    account_id: Mapped[int] = mapped_column(
        ForeignKey("accounts.id", ondelete="CASCADE"), index=True
    )
    code_sha256: Mapped[str] = mapped_column(String(64), unique=True)


class Passkey(Model):
    """A key pair of which a device of the account's person has the private half."""

    __tablename__ = "passkeys"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    account_id: Mapped[int] = mapped_column(
        ForeignKey("accounts.id", ondelete="CASCADE"), index=True
    )
    credential_id: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)  # as COSE
    user_handle: Mapped[str] = mapped_column(String(64))  # random; what devices call the account
    counter: Mapped[int] = mapped_column(BigInteger)  # of its signatures; 0: it does not count
    name: Mapped[str] = mapped_column(String(100))
    made_at: Mapped[datetime] = mapped_column(Instant)
    used_at: Mapped[datetime | None] = mapped_column(Instant)


class UsedChallenge(Model):
    """A challenge that a passkey has answered, kept until it would be too old anyway."""

    __tablename__ = "used_challenges"

    challenge_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    used_at: Mapped[datetime] = mapped_column(Instant)


class SetupLink(Model):
    """A link that may make the first administrator; only the hash of its token is kept."""

    __tablename__ = "setup_links"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    token_sha256: Mapped[str] = mapped_column(unique=True)
    made_at: Mapped[datetime] = mapped_column(Instant)
