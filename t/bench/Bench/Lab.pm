package Bench::Lab;

# Where measurements are made: a directory, visitors with their records, a
# Redis, one nginx for each variant, and which core is whose.

use v5.36;

use Carp qw(croak);
use File::Path qw(make_path remove_tree);

use ConsentGate::Nginx;
use ConsentGate::Process qw(free_port slurp);
use ConsentGate::Redis;

use Bench::Cluster ();

use constant PAGE => 1024;      # bytes of the file that is served

# Documents of the records, as many as a record can hold.
our @DOCUMENTS = (qw(terms privacy cookies), map { "extra$_" } 1 .. 13);


# top, build; dir: emptied.
sub new ($class, %options) {
    my $self = bless { nginx => {}, %options }, $class;

    remove_tree($self->{dir});
    make_path("$self->{dir}/root", "$self->{dir}/temp");

    $self->find_cores;
    $self->write('root/index.html', 'x' x (PAGE - 1) . "\n");
    $self->write('keys', 'subject ' . '0123456789abcdef' x 4 . "\nsign k1 "
        . 'fedcba9876543210' x 4 . "\n", 0600);

    return $self;
}


# The first core that we may use is nginx's, the second that of everybody
# else. With one core nobody is pinned.
sub find_cores ($self) {
    my ($list) = slurp('/proc/self/status') =~ /^Cpus_allowed_list:\s*(\S+)/m;

    $self->{cores} = [map { /^(\d+)-(\d+)$/ ? ($1 .. $2) : $_ }
        split /,/, $list // '0'];

    return;
}


sub cores ($self) { return @{ $self->{cores} } }


# What a command is run under, so that it leaves nginx's core alone.
sub aside ($self) {
    my @cores = $self->cores;
    return @cores > 1 ? ('taskset', '-c', join ',', @cores[1 .. $#cores]) : ();
}


# "worker_processes" and where they run.
sub workers ($self, $n) {
    my @cores = $self->cores;
    my $lines = "worker_processes $n;";

    if (@cores > 1) {
        $lines .= ' worker_cpu_affinity ' . join(' ', map {
            my $core = $cores[$_ % @cores];
            join '', map { $_ == $core ? 1 : 0 } reverse 0 .. $core;
        } 0 .. $n - 1) . ';';
    }

    return $lines;
}


sub write ($self, $name, $content, $mode = undef) {
    my $path = "$self->{dir}/$name";

    open my $fh, '>:raw', $path or croak "$path: $!";
    print $fh $content;
    close $fh or croak "$path: $!";
    chmod $mode, $path if defined $mode;

    return $path;
}


sub geo ($self) { return "$self->{build}/geo/country.mmdb" }
sub keys ($self) { return "$self->{dir}/keys" }

sub port ($self, $name) {
    return $self->{ports}{$name} //= free_port();
}


# Redis, over TCP as in production.
sub redis ($self) {
    return $self->{redis} //= do {
        my $redis = ConsentGate::Redis->new(
            dir    => "$self->{dir}/redis",
            socket => undef,
            port   => $self->port('redis'),
            config => { unixsocket => '""', maxmemory => 0 },
        );

        $self->pin($redis);
        $redis;
    };
}


sub pin ($self, $redis) {
    my @aside = $self->aside or return;

    system("taskset -a -p -c $aside[2] " . $redis->pid . ' > /dev/null') == 0
        or croak 'taskset';

    return;
}


# A cluster of so many masters, with the same records.
sub cluster ($self, $masters) {
    return $self->{clusters}{$masters} //=
        Bench::Cluster::cluster($self, $masters);
}


sub stop_clusters ($self) {
    for my $cluster (values %{ delete $self->{clusters} // {} }) {
        $_->stop for $cluster->nodes;
    }

    return;
}


# Makes visitors and puts their records into the empty Redis: those of the
# gate, and with peers => 1 those that the peers read.
sub populate ($self, $count, %options) {
    my @documents = @DOCUMENTS[0 .. ($options{documents} // 3) - 1];
    my $records   = "$self->{dir}/records";

    $self->{count}     = $count;
    $self->{documents} = \@documents;
    $self->{visitors}  = "$self->{dir}/visitors";

    system("$self->{build}/bench/visitors", $self->keys, $self->geo,
        $self->{visitors}, $records, $count, $options{events} ? '-e' : (),
        @documents) == 0 or croak 'cannot make visitors';

    $self->stop_clusters;

    my $redis = $self->redis;
    $redis->cmd('FLUSHALL');
    $self->{empty} = $self->memory;

    $redis->cmd('HSET', 'gc:p', map { $_ => 'version=1 required=1' }
        @documents);
    $self->pipe_in($records);
    unlink $records;

    $self->populate_peers(@documents) if $options{peers};

    return;
}


sub populate_peers ($self, @documents) {
    my $path = "$self->{dir}/records";

    open my $visitors, '<', $self->{visitors} or croak "visitors: $!";
    open my $out, '>', $path or croak "$path: $!";

    while (my $line = readline $visitors) {
        my ($cookie) = split ' ', $line;
        print $out ConsentGate::Resp::resp_command('HSET', "peer:s:$cookie",
            map { $_ => 1 } @documents);
    }

    print $out ConsentGate::Resp::resp_command('HSET', 'peer:policy',
        map { $_ => 1 } @documents);
    close $out or croak "$path: $!";

    $self->pipe_in($path);
    unlink $path;

    return;
}


sub pipe_in ($self, $path) {
    my $output = qx(redis-cli -p @{[ $self->redis->port ]} --pipe < '$path');

    croak "redis-cli --pipe: $output" if $output !~ /errors: 0,/;

    return;
}


# Bytes that Redis uses.
sub memory ($self) {
    my ($bytes) = $self->redis->cmd('INFO', 'memory')
        =~ /^used_memory:(\d+)/m;
    return $bytes;
}


# HMGETs that Redis, or a cluster of so many masters, has answered.
sub lookups ($self, $masters = undef) {
    return ($masters ? $self->cluster($masters) : $self->redis)
        ->calls('hmget');
}


# Those who are told of changes.
sub feeds ($self) {
    return scalar(() = $self->redis->cmd('CLIENT', 'LIST')
        =~ /\bflags=\w*t/g);
}


# The first visitors: { cookie, inside, outside } each.
sub visitors ($self, $count) {
    open my $fh, '<', $self->{visitors} or croak "visitors: $!";
    my @visitors;

    while (@visitors < $count && defined(my $line = readline $fh)) {
        my %visitor;
        @visitor{qw(cookie inside outside)} = split ' ', $line;
        push @visitors, \%visitor;
    }

    return @visitors;
}


sub nginx ($self, $name, $port, $config) {
    $self->stop_nginx($name);

    return $self->{nginx}{$name} = ConsentGate::Nginx->new(
        dir    => $self->{dir},
        name   => $name,
        port   => $port,
        config => $config,
    );
}


sub stop_nginx ($self, $name) {
    my $nginx = delete $self->{nginx}{$name} or return;
    $nginx->stop('TERM');
    return;
}


sub stop ($self) {
    $self->stop_nginx($_) for CORE::keys %{ $self->{nginx} };
    $self->stop_clusters;
    $self->{redis}->stop if $self->{redis};
    return;
}

1;
