package ConsentGate::Dns;

# A DNS server that knows what is in a file. What is in .test and not there
# does not exist.

use v5.36;

use Carp qw(croak);

use ConsentGate::Process qw(alive slurp spawn wait_for);


sub new ($class, %options) {
    my $self = bless {%options}, $class;
    my $test = $self->{test};
    my $dir  = $test->dir;

    $self->{log} = "$dir/dnsmasq.log";
    $test->write_file('hosts', '');

    $self->{pid} = spawn($self->{log}, '/usr/sbin/dnsmasq',
        qw(--no-daemon --conf-file=/dev/null), '--port=' . $test->port('dns'),
        qw(--listen-address=127.0.0.1 --bind-interfaces --no-resolv --no-hosts
        --local=/test/ --local-ttl=0 --log-queries --log-facility=-),
        "--addn-hosts=$dir/hosts", "--pid-file=$dir/dnsmasq.pid",
        '--user=' . getpwuid $>);

    wait_for(sub { slurp($self->{log}) =~ /started, version/ })
        or croak 'dnsmasq does not start: ' . slurp($self->{log});

    return $self;
}


# What is known from now on: "ADDRESS NAME" each.
sub hosts ($self, @lines) {
    my $from = -s $self->{log};

    $self->{test}->write_file('hosts', join '', map { "$_\n" } @lines);
    kill 'HUP', $self->{pid};
    wait_for(sub { substr(slurp($self->{log}), $from) =~ /read \S*hosts/ })
        or croak 'dnsmasq does not read its hosts';

    return;
}


sub pid  ($self) { return $self->{pid} }
sub stop ($self) { return ConsentGate::Process::stop($self->{pid}) }

1;

__END__

=head1 NAME

ConsentGate::Dns - a DNS server for tests, by dnsmasq

=head1 SYNOPSIS

    my $dns = ConsentGate::Dns->new(test => $t);
    $dns->hosts('127.0.0.2 redis.test', '127.0.0.3 redis.test');

    resolver 127.0.0.1:%%PORT_dns%% valid=1s;

=cut
