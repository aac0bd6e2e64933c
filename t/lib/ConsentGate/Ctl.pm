package ConsentGate::Ctl;

# consentctl, run against the Redis and with the keys of a test.

use v5.36;

use Carp qw(croak);
use JSON::PP ();

use ConsentGate::Process qw(die_with slurp);


# redis: a server or its address; keys: the path of a key file; lines: of the
# configuration, instead of those of the user; shell: what a shell does with
# it, $0 and "$@".
sub new ($class, $t, %options) {
    my $redis = $options{redis} // $t->redis;

    return bless {
        %options,
        t       => $t,
        program => ($ENV{CG_BUILD} // "$ConsentGate::Test::ROOT/build")
            . '/consentctl',
        config  => $t->write_file($options{config} // 'consentctl.conf',
            join '', 'server ', ref $redis ? $redis->address : $redis,
            "\nkey_file ", $options{keys} // "$t->{dir}/keys", "\n",
            map { "$_\n" } @{ $options{lines}
                // [ref $redis ? login($t) : ()] }),
    }, $class;
}


# The user of conf/redis/consentctl.acl.
sub login ($t) {
    my $file = $t->write_file('consentctl.pass',
        $ConsentGate::Redis::USER{consentctl}, 0600);
    return ('username consentctl', "password_file $file");
}


# Runs it. Returns what it printed, and its exit code.
sub run ($self, @words) {
    my $input = ref $words[-1] ? ${ pop @words } : '';
    my $dir   = $self->{t}->dir;
    my $n     = ++state $count;
    my ($in, $out, $err) = map { "$dir/ctl$n.$_" } qw(in out err);

    $self->{t}->write_file($in, $input);

    my $parent = $$;
    my $pid = fork // croak "fork: $!";

    if (!$pid) {
        die_with($parent);
        delete @ENV{ grep { /^CONSENTCTL_/ } keys %ENV };
        $ENV{CONSENTCTL_CONFIG} = $self->{config};
        open STDIN, '<', $in or POSIX::_exit(127);
        open STDOUT, '>', $out or POSIX::_exit(127);
        open STDERR, '>', $err or POSIX::_exit(127);
        my @shell = ('sh', '-c', $self->{shell}, $self->{program}, @words);
        { no warnings 'exec'; exec { $shell[0] } @shell if $self->{shell}; }
        { no warnings 'exec'; exec { $self->{program} } 'consentctl', @words; }
        POSIX::_exit(127);
    }

    waitpid $pid, 0;

    my $run = bless {
        exit   => $? >> 8,
        signal => $? & 127,
        out    => slurp($out),
        err    => slurp($err),
    }, 'ConsentGate::Ctl::Run';
    unlink $in, $out, $err;

    return $run;
}


# The same one, in a shell.
sub shell ($self, $shell) {
    return bless { %$self, shell => $shell }, ref $self;
}


# The same with --json.
sub json ($self, @words) {
    return $self->run('--json', @words);
}


package ConsentGate::Ctl::Run;

use v5.36;

sub code ($self) { return $self->{signal} ? "signal $self->{signal}"
    : $self->{exit} }
sub out  ($self) { return $self->{out} }
sub err  ($self) { return $self->{err} }

# Standard output as JSON, or as JSON Lines.
sub data  ($self) { return JSON::PP->new->utf8->decode($self->{out}) }
sub lines ($self) {
    return map { JSON::PP->new->utf8->decode($_) } split /\n/, $self->{out};
}

# The error as JSON.
sub error ($self) {
    my ($line) = $self->{err} =~ /^(\{"error".*)$/m;
    return defined $line ? JSON::PP->new->utf8->decode($line)->{error} : undef;
}

1;

__END__

=head1 NAME

ConsentGate::Ctl - consentctl for tests

=head1 SYNOPSIS

    my $ctl = ConsentGate::Ctl->new($t);

    my $run = $ctl->run(qw(policy list));
    is $run->code, 0, 'works';
    like $run->out, qr/^terms$/m, 'says so';

    is_deeply $ctl->json(qw(policy list))->data->{documents}, [...];
    $ctl->run('pending', \"anna\nberta\n");     # standard input

=cut
