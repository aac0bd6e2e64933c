package Bench::Instructions;

# Instructions in user mode for each request, counted by callgrind. They are
# the same at every run, where time is not.

use v5.36;

use Carp qw(croak);
use Exporter qw(import);
use IO::Select;

use ConsentGate::HTTP;
use ConsentGate::Nginx;
use ConsentGate::Process qw(reap slurp spawn stop wait_for);

use Bench::Lab;
use Bench::Load qw(request_headers);
use Bench::Variants qw(config);

our @EXPORT_OK = qw(instructions profile);

use constant {
    CLIENTS  => 64,
    VISITORS => 1024,
    SHORT    => 16,             # times all clients, after the first of each
    LONG     => 112,
    LEAST    => 15,             # instructions that a profile shows
};


# Instructions for one request, and by function: the slope between two runs
# of different length, so that the start and the first request of each
# visitor cancel out.
sub instructions ($lab, $variant) {
    my $short = run($lab, $variant, SHORT);
    my $long  = run($lab, $variant, LONG);
    my $n     = (LONG - SHORT) * CLIENTS;

    my %slope = map {
        $_ => (($long->{$_} // 0) - ($short->{$_} // 0)) / $n
    } keys %$long;

    return delete $slope{''}, \%slope;
}


# Functions that need more instructions than in another variant, the worst
# first: [name, more].
sub profile ($functions, $base) {
    my %more = map {
        $_ => ($functions->{$_} // 0) - ($base->{$_} // 0)
    } keys %$functions, keys %$base;

    return map { [$_, $more{$_}] } sort { $more{$b} <=> $more{$a} }
        grep { abs $more{$_} >= LEAST } keys %more;
}


# Instructions by function, with the sum of all under the empty name.
sub run ($lab, $variant, $turns) {
    my $nginx = $lab->nginx($variant->{name}, $lab->port($variant->{name}),
        config($lab, $variant, single => 1));
    my $out = "$lab->{dir}/$variant->{name}.callgrind";
    my $log = "$lab->{dir}/$variant->{name}.valgrind.log";

    unlink $out, $nginx->{pidfile};
    my $feeds = $lab->feeds;
    my $pid = spawn($log, 'valgrind', '--tool=callgrind',
        "--callgrind-out-file=$out", $nginx->command);

    wait_for(sub { reap($pid) || $nginx->ready }, 60)
        or croak 'nginx does not start under valgrind: ' . slurp($log);

    # what is asked before the feed is heard is asked again
    if ($variant->{cache}) {
        wait_for(sub { $lab->feeds > $feeds }, 10) or die "has no feed\n";
    }

    requests($lab, $variant, $turns);

    stop($pid, 'TERM', 60);
    $lab->stop_nginx($variant->{name});

    return functions($out);
}


sub functions ($path) {
    my $text = qx(callgrind_annotate --threshold=100 '$path' 2> /dev/null);
    my %sum;

    while ($text =~ /^\s*([\d,]+) \([\s\d.]+%\)\s+(\S.*)$/mg) {
        my ($count, $name) = ($1 =~ tr{,}{}dr, $2);

        # FILE:FUNCTION [OBJECT], a line for each file that it has code of
        if ($name eq 'PROGRAM TOTALS') {
            $sum{''} = $count;

        } elsif ($name =~ m{^\S*?:(\S+)(?: \[(?:.*/)?(.*)\])?$}) {
            my ($function, $object) = ($1, $2 // '');
            $function .= " $object" if $function =~ /^0x/;
            $sum{$function} += $count;
        }
    }

    croak "no profile in $path" if !$sum{''};

    return \%sum;
}


# Every visitor once, and then $turns times one request of each client.
sub requests ($lab, $variant, $turns) {
    my @visitors = $lab->visitors(VISITORS);
    my @clients  = map {
        ConsentGate::HTTP->new(port => $lab->port($variant->{name}))
    } 1 .. CLIENTS;
    my @requests = map {
        $clients[0]->format_request('GET', '/index.html',
            [request_headers($variant->{request}, $_)])
    } @visitors;

    my $lookups;
    my $at = 0;

    for my $turn (1 .. VISITORS / CLIENTS + $turns) {
        $lookups = $lab->lookups($variant->{masters})
            if $turn == VISITORS / CLIENTS + 1;

        $_->send_raw($requests[$at++ % @requests]) for @clients;
        $_->read_response('GET')->status == 200
            or die "not every answer is 200\n" for @clients;
    }

    my $each = ($lab->lookups($variant->{masters}) - $lookups)
        / $turns / CLIENTS;
    die sprintf "%.3f questions to Redis for each request, and not %s\n",
        $each, $variant->{lookups}
        if abs($each - $variant->{lookups}) > 0.02;

    return;
}

1;
